import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, Connection } from 'rabbitmq-client';
import { CLOSE_MAX_MS } from './connection.ts';
import { inTime } from './in-time.ts';

/** Between two attempts; a broker that comes back is found within moments and not flooded. */
const RETRY_MS = 200;
/** A broker that has just started may never answer what it was asked too early; asked again, it may. */
const SET_UP_MAX_MS = 5_000;
/** What somebody removed from the broker is missed no longer than that. */
const RENEW_MS = 5_000;

type Parts = {
  connection: Connection;
  /** Declares and consumes; throws when that cannot be done now. */
  setUp(channel: Channel): Promise<void>;
  /** Declares again what others may have removed, every RENEW_MS; may throw as well. */
  renew?: ((channel: Channel) => Promise<void>) | undefined;
  opened?(): void;
  /** Told of what went wrong, and again at each attempt. */
  failed(error: Error): void;
};

/**
 * A channel that is opened and set up anew whenever it ends: with its connection, by the broker's
 * refusal, or because the broker cancelled its consumer.
 */
export class KeptChannel {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #current: Channel | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#keep();
  }

  /** Set up and open; undefined while it is not. */
  get current(): Channel | undefined {
    return this.#current?.active ? this.#current : undefined;
  }

  /**
   * `finish` runs while the channel is still open. A channel that is just being opened ends with
   * its connection.
   */
  async close(finish?: (channel: Channel) => Promise<void>): Promise<void> {
    const { current } = this;
    this.#stop.abort();
    if (current) {
      await finish?.(current);
      // What a silent broker leaves open ends with its connection.
      await inTime(current.close(), CLOSE_MAX_MS).catch(() => {});
    }
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#hold();
      } catch (error) {
        if (!signal.aborted) this.#parts.failed(error as Error);
      }
      await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** One channel, from its opening to its end. */
  async #hold(): Promise<void> {
    const channel = await this.#parts.connection.acquire({ emitErrorsFromChannel: true });
    const ended = Promise.withResolvers<void>();
    channel.once('close', () => ended.resolve());
    channel.on('error', (error) => this.#parts.failed(error));
    channel.once('basic.cancel', () => void channel.close());
    try {
      await inTime(this.#parts.setUp(channel), SET_UP_MAX_MS);
      if (this.#stop.signal.aborted) return;
      this.#current = channel;
      this.#parts.opened?.();
      while (channel.active) {
        await Promise.race([ended.promise, sleep(RENEW_MS, undefined, { ref: false })]);
        const { renew } = this.#parts;
        if (channel.active && renew) await inTime(renew(channel), SET_UP_MAX_MS);
      }
    } finally {
      if (this.#current === channel) this.#current = undefined;
      // One that the broker does not answer stays until its connection ends; another takes its place.
      await inTime(channel.close(), CLOSE_MAX_MS).catch(() => {});
    }
  }
}
