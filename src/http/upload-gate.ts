import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../contract/errors.ts';
import { networkOf } from './network-of.ts';
import { connectionsByFiles } from './open-files.ts';
import { BODY_MAX_BYTES, tooLarge, watchUpload } from './upload-watch.ts';

/**
 * Uploads hold slots only while their bytes flow. An upload enters without a slot, gets one when it
 * has proved its pace or has arrived whole, and returns it while it is slower. So slow senders never
 * keep others out: they run outside the slots, where each costs little memory, until even that room
 * is full and a newcomer displaces the slowest of them. One address gives way to others only in a
 * full gate: a proxy whose `X-Forwarded-For` is not trusted sends everybody's uploads from one.
 */

/** Below it an upload does without a slot. Whoever takes all 24 by pace pays 1.5 MiB/s for them. */
const FLOW_MIN_BYTES_PER_SECOND = 64 * 1024;
const LOOK_EVERY_MS = 250;
/** Pace is counted over one second. */
const LOOKS_PER_SECOND = 4;
/** Of slots or places, when full: what one address may keep while others want one. */
const ADDRESS_MAX_SHARE = 1 / 2;

/** Each holds a connection, a file of what has come, and some 100 KiB. */
const SLOW_MAX = 512;
/** Where few files may be open, slow uploads must leave connections to others. */
const SLOW_MAX_SHARE = 1 / 4;

type Bounds = {
  /** Slots: for uploads whose bytes flow, or are inspected. */
  flowing: number;
  /** Places for all others. */
  slow?: number;
};

export class UploadGate {
  readonly #bounds: Required<Bounds>;
  /** In order of arrival. */
  readonly #uploads = new Set<Upload>();
  #looking: NodeJS.Timeout | undefined;

  constructor(bounds: Bounds) {
    const byFiles = Math.ceil(connectionsByFiles() * SLOW_MAX_SHARE);
    const slow = Math.min(bounds.slow ?? SLOW_MAX, byFiles);
    this.#bounds = { ...bounds, slow };
  }

  /** For metrics: uploads with and without a slot. */
  get load(): { flowing: number; slow: number } {
    const flowing = this.#holders().length;
    return { flowing, slow: this.#uploads.size - flowing };
  }

  /**
   * Runs `receive` while the body arrives. Ends with it, or when the watch or the gate gives the
   * body up; then the signal aborts.
   */
  async admit<T>(
    request: IncomingMessage,
    address: string,
    receive: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (Number(request.headers['content-length']) > BODY_MAX_BYTES) throw tooLarge();
    const upload = new Upload(request, networkOf(address));
    this.#makeRoom(upload);
    this.#uploads.add(upload);
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    const unwatch = watchUpload(request, upload.end);
    try {
      return await Promise.race([receive(upload.signal), upload.ended]);
    } finally {
      unwatch();
      this.#uploads.delete(upload);
      if (this.#uploads.size === 0) this.#stopLooking();
    }
  }

  #makeRoom(upload: Upload): void {
    this.#giveSlots();
    const full = this.#holders().length >= this.#bounds.flowing;
    if (full && !this.#slotOfAnother(upload)) throw tooMany();
    if (this.#uploads.size < this.#bounds.flowing + this.#bounds.slow) return;
    const slowest = this.#slowest();
    if (!slowest) throw tooMany();
    this.#displace(slowest);
  }

  #look(): void {
    this.#giveSlots();
    for (const upload of this.#uploads) upload.mark();
  }

  #giveSlots(): void {
    let holders = 0;
    for (const upload of this.#uploads) {
      upload.holdsSlot &&= upload.flows();
      if (upload.holdsSlot) holders += 1;
    }
    for (const upload of this.#uploads) {
      if (upload.holdsSlot || !upload.flows()) continue;
      if (holders < this.#bounds.flowing) {
        upload.giveSlot();
        holders += 1;
      } else if (!upload.hadSlot) this.#takeSlot(upload);
    }
  }

  /** In a full gate. An upload that once had a slot goes on without one. */
  #takeSlot(upload: Upload): void {
    const victim = this.#slotOfAnother(upload);
    if (victim) {
      this.#displace(victim);
      upload.giveSlot();
    } else {
      this.#uploads.delete(upload);
      upload.end(tooMany());
    }
  }

  /** The slowest upload that holds a slot, of another address that has more than its share. */
  #slotOfAnother({ address }: Upload): Upload | undefined {
    const greedy = greediest(this.#holders(), this.#bounds.flowing);
    if (greedy.length === 0 || greedy[0]!.address === address) return undefined;
    return slowestOf(greedy.filter((upload) => !upload.arrived));
  }

  /** Of those without a slot that had time to prove themselves. */
  #slowest(): Upload | undefined {
    const slow = [...this.#uploads].filter((upload) => !upload.holdsSlot && upload.isSettled);
    const greedy = greediest(slow, this.#bounds.slow);
    return slowestOf(greedy.length > 0 ? greedy : slow);
  }

  #displace(upload: Upload): void {
    this.#uploads.delete(upload);
    const message =
      'The service receives as many uploads as it can, and this one was the slowest. Try again soon.';
    upload.end(new ServiceError('overloaded', message));
  }

  #holders(): Upload[] {
    return [...this.#uploads].filter((upload) => upload.holdsSlot);
  }

  #stopLooking(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

/** One body on its way in. */
class Upload {
  readonly address: string;
  readonly ended: Promise<never>;
  /** Gives the body up, with the reason. */
  readonly end: (reason: ServiceError) => void;
  readonly signal: AbortSignal;
  readonly #request: IncomingMessage;
  /** Bytes that had arrived at each of the last looks, the oldest first. */
  readonly #marks: number[];
  holdsSlot = false;
  hadSlot = false;

  constructor(request: IncomingMessage, address: string) {
    this.#request = request;
    this.address = address;
    this.#marks = [request.socket.bytesRead];
    const ending = new AbortController();
    const given = Promise.withResolvers<never>();
    this.signal = ending.signal;
    this.ended = given.promise;
    this.end = (reason) => {
      given.reject(reason);
      ending.abort(reason);
    };
  }

  /** The body is here; what takes time now is not its sender. */
  get arrived(): boolean {
    return this.#request.complete;
  }

  get isSettled(): boolean {
    return this.#marks.length > LOOKS_PER_SECOND;
  }

  /** Within the last second. */
  get bytes(): number {
    return this.#request.socket.bytesRead - this.#marks[0]!;
  }

  flows(): boolean {
    if (this.arrived || this.bytes >= FLOW_MIN_BYTES_PER_SECOND) return true;
    // While arrived bytes wait for us, the sender is not to blame.
    return this.hadSlot && this.#request.readableLength > 0;
  }

  giveSlot(): void {
    this.holdsSlot = true;
    this.hadSlot = true;
  }

  mark(): void {
    if (this.isSettled) this.#marks.shift();
    this.#marks.push(this.#request.socket.bytesRead);
  }
}

function tooMany(): ServiceError {
  return new ServiceError('overloaded', 'Too many uploads are in progress. Try again soon.');
}

function slowestOf(uploads: readonly Upload[]): Upload | undefined {
  return uploads.reduce<Upload | undefined>(
    (slowest, upload) => (slowest && slowest.bytes <= upload.bytes ? slowest : upload),
    undefined,
  );
}

/** The uploads of the address that has more than its share of `places`; none if no address has. */
function greediest(uploads: readonly Upload[], places: number): Upload[] {
  const byAddress = Map.groupBy(uploads, ({ address }) => address);
  return [...byAddress.values()].find((own) => own.length > places * ADDRESS_MAX_SHARE) ?? [];
}
