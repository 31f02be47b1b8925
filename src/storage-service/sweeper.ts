import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { KeyedLock } from './keyed-lock.ts';

/** Rows taken in one transaction, so that writes in between wait for moments only. */
const BATCH_ROWS = 500;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A file without a row may be on its way to one: it is left alone for an hour. */
const ORPHAN_MIN_AGE_MS = 60 * 60 * 1000;
/** Looking at every blob takes long on a large store and finds nothing unless something broke. */
const ORPHANS_EVERY_MS = DAY_MS;

type Log = {
  info(data: object, message: string): void;
  error(data: object, message: string): void;
};

type Parts = {
  catalog: Catalog;
  blobs: BlobStore;
  /** The Store's. */
  locks: KeyedLock;
  log: Log;
  retentionDays: number;
  intervalMs: number;
};

/**
 * Removes what nothing keeps any more. References are counted by query within the transaction that
 * removes the row, under the lock that a write holds from its look at the blob to its commit; the
 * bytes go after the row is gone. Whatever dies in between leaves a file without a row, never the
 * other way round.
 */
export class Sweeper {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #lastOrphansMs = Date.now();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One round. The blobs removed. */
  async sweep(now = Date.now()): Promise<number> {
    const { catalog, retentionDays } = this.#parts;
    const { signal } = this.#stop;
    let removed = 0;
    for (let more = true; more && !signal.aborted; ) {
      const deletedBefore = now - retentionDays * DAY_MS;
      const purged = await catalog.purge(deletedBefore, BATCH_ROWS);
      const freed = await catalog.expire(now, BATCH_ROWS);
      removed += await this.release(freed);
      more = purged.length === BATCH_ROWS || freed.length === BATCH_ROWS;
    }
    if (now - this.#lastOrphansMs >= ORPHANS_EVERY_MS) {
      this.#lastOrphansMs = now;
      removed += await this.#removeOrphans(now);
    }
    return removed;
  }

  /** Gives up all bytes that were accepted and not claimed: whoever would have is gone. */
  async releaseUploads(): Promise<number> {
    return this.release(await this.#parts.catalog.dropUploadLeases());
  }

  /** Removes those of the blobs that neither an image nor a lease keeps. How many. */
  async release(blobs: readonly string[]): Promise<number> {
    let removed = 0;
    for (const sha256 of new Set(blobs)) {
      const gone = await this.#parts.locks.hold(sha256, async () => {
        if (!(await this.#parts.catalog.forgetBlob(sha256))) return false;
        return this.#parts.blobs.delete(sha256);
      });
      if (gone) removed += 1;
    }
    return removed;
  }

  async #removeOrphans(now: number): Promise<number> {
    const { blobs, catalog } = this.#parts;
    let removed = 0;
    for await (const { sha256, modified_at } of blobs.list()) {
      if (this.#stop.signal.aborted) break;
      if (now - modified_at.getTime() < ORPHAN_MIN_AGE_MS) continue;
      if (await catalog.findBlob(sha256)) continue;
      removed += await this.release([sha256]);
    }
    return removed;
  }

  async #run(): Promise<void> {
    const { log, intervalMs } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      try {
        const removed = await this.sweep();
        if (removed > 0) log.info({ removed }, 'Swept blobs that nothing refers to');
      } catch (error) {
        log.error({ err: error }, 'The sweep failed; the next one repeats it');
      }
    }
  }
}
