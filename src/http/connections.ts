import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from './network-of.ts';
import { connectionsByFiles } from './open-files.ts';

/** What one address may keep of all connections while others want one. */
const ADDRESS_MAX_SHARE = 1 / 2;
/** Looked at for a victim, at most: a flood of connections must not cost more than they do. */
const LOOKS_MAX = 64;
/** A client that reads its answer slower than 1 KiB/s only holds what is lent to it. */
const READ_WINDOW_MS = 30_000;
const READ_MIN_BYTES = 30 * 1024;

type Seen = { network: string; read: number; taken: number; stuck: boolean };
/** What Node keeps of a socket and does not show. */
type Inside = {
  _httpMessage?: ServerResponse | null;
  _bytesDispatched?: number;
  _handle?: { writeQueueSize?: number } | null;
};

/**
 * Keeps a server within `max` connections, and within the open files that the process may have. A
 * connection too many displaces the one that has been idle for longest, first of an address that has
 * more than half of all. Also cuts clients that do not read their answers.
 */
export function boundConnections(http: Server, max: number): void {
  const connections = new Connections(Math.min(max, connectionsByFiles()));
  http.on('connection', (socket) => connections.add(socket));
  const look = setInterval(() => connections.cutUnread(), READ_WINDOW_MS).unref();
  http.once('close', () => clearInterval(look));
}

class Connections {
  readonly #max: number;
  /** Those looked at longest ago come first. */
  readonly #open = new Map<Socket, Seen>();
  readonly #ofNetwork = new Map<string, number>();
  /** The address that has more than its share. */
  #greedy: string | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  add(socket: Socket): void {
    if (this.#open.size >= this.#max && !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const network = networkOf(socket.remoteAddress ?? '');
    this.#open.set(socket, { network, read: 0, taken: 0, stuck: false });
    this.#count(network, 1);
    socket.once('close', () => this.#remove(socket));
  }

  cutUnread(): void {
    for (const [socket, seen] of this.#open) {
      const taken = takenBy(socket);
      const stuck = socket.writableLength > 0;
      if (stuck && seen.stuck && taken - seen.taken < READ_MIN_BYTES) socket.destroy();
      Object.assign(seen, { taken, stuck });
    }
  }

  /** Closes the connection that is idle for longest, as far as a short look finds it. */
  #makeRoom(): boolean {
    let victim: Socket | undefined;
    let looks = 0;
    for (const [socket, seen] of this.#open) {
      looks += 1;
      if (looks > LOOKS_MAX) break;
      const { bytesRead } = socket;
      const spared = this.#greedy !== undefined && seen.network !== this.#greedy;
      const idle = !(socket as unknown as Inside)._httpMessage && !spared;
      if (idle && bytesRead === seen.read) {
        victim = socket;
        break;
      }
      // Looked at again after all others.
      if (idle) victim ??= socket;
      seen.read = bytesRead;
      this.#open.delete(socket);
      this.#open.set(socket, seen);
    }
    victim?.destroy();
    if (victim) this.#remove(victim);
    return victim !== undefined;
  }

  #remove(socket: Socket): void {
    const seen = this.#open.get(socket);
    if (seen && this.#open.delete(socket)) this.#count(seen.network, -1);
  }

  #count(network: string, change: 1 | -1): void {
    const count = (this.#ofNetwork.get(network) ?? 0) + change;
    if (count === 0) this.#ofNetwork.delete(network);
    else this.#ofNetwork.set(network, count);
    const greedy = count > this.#max * ADDRESS_MAX_SHARE;
    if (greedy) this.#greedy = network;
    else if (this.#greedy === network) this.#greedy = undefined;
  }
}

/** Bytes that the kernel has accepted for it. `bytesWritten` counts those that still wait as well. */
export function takenBy(socket: Socket): number {
  const { _bytesDispatched = 0, _handle } = socket as unknown as Inside;
  return _bytesDispatched - (_handle?.writeQueueSize ?? 0);
}
