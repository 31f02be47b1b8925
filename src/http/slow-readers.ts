import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { takenBy } from './connections.ts';
import { connectionsByFiles } from './open-files.ts';

/** Each holds an open file and half a megabyte of buffers. */
const SLOW_MAX = 256;
/** Where few files may be open. */
const SLOW_MAX_SHARE = 1 / 8;
/** Faster readers are done soon. */
const FAST_MIN_BYTES_PER_SECOND = 64 * 1024;
const LOOK_EVERY_MS = 1_000;
/** Pace is counted over ten looks: the kernel takes bytes in bursts. */
const LOOKS = 10;
/** Of streams in all, against slow ones; beyond it those that stand still are cut at once. */
const STREAMS_MAX_FACTOR = 2;

/**
 * Streamed answers and the pace at which they are read. Of slow readers the slowest are cut when there
 * are too many; they can ask for the rest by a range.
 */
export class SlowReaders {
  readonly #max: number;
  /** Bytes taken at each of the last looks, the oldest first. */
  readonly #marks = new Map<Socket, number[]>();
  #looking: NodeJS.Timeout | undefined;

  constructor(max = SLOW_MAX) {
    this.#max = Math.min(max, Math.ceil(connectionsByFiles() * SLOW_MAX_SHARE));
  }

  /** Until the answer was sent. */
  watch(response: ServerResponse): void {
    const { socket } = response;
    if (!socket || response.closed) return;
    this.#marks.set(socket, [takenBy(socket)]);
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    response.once('close', () => {
      this.#marks.delete(socket);
      if (this.#marks.size > 0) return;
      clearInterval(this.#looking);
      this.#looking = undefined;
    });
  }

  #look(): void {
    const slow: Reader[] = [];
    const stuck: Reader[] = [];
    for (const [socket, marks] of this.#marks) {
      const taken = takenBy(socket);
      // What waits for the disk is no fault of the reader.
      if (marks.length > 1 && socket.writableLength > 0) {
        const pace = (taken - marks[0]!) / marks.length;
        if (pace < FAST_MIN_BYTES_PER_SECOND) slow.push({ socket, pace });
        if (taken === marks.at(-1)) stuck.push({ socket, pace });
      }
      marks.push(taken);
      if (marks.length > LOOKS) marks.shift();
    }
    cutSlowest(slow, slow.length - this.#max);
    // The kernel takes megabytes for each at first: many new ones are told by standing still.
    cutSlowest(stuck, this.#marks.size - STREAMS_MAX_FACTOR * this.#max);
  }
}

type Reader = { socket: Socket; pace: number };

function cutSlowest(readers: Reader[], count: number): void {
  if (count <= 0) return;
  readers.sort((a, b) => a.pace - b.pace);
  for (const { socket } of readers.slice(0, count)) socket.destroy();
}
