import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Intake } from './intake.ts';
import type { KeyedLock } from './keyed-lock.ts';

/** Rows taken in one transaction, so that writes in between wait for moments only. */
const BATCH_ROWS = 500;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A file without a row may be on its way to one: it is left alone for an hour. */
const ORPHAN_MIN_AGE_MS = 60 * 60 * 1000;
/** Looking at every blob takes long on a large store and finds nothing unless something broke. */
const ORPHANS_EVERY_MS = DAY_MS;
/** Most services run for hours only: the first look is for what a power cut before them left. */
const ORPHANS_FIRST_MS = ORPHAN_MIN_AGE_MS;
/** Foreign entries that the log names. */
const NAMED_FOREIGN = 5;

type Log = {
  info(data: object, message: string): void;
  error(data: object, message: string): void;
};

type Parts = {
  catalog: Catalog;
  blobs: BlobStore;
  /** Absent: what uploads left behind is none of this process' business. */
  intake?: Pick<Intake, 'recover'>;
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
  #nextOrphansMs = Date.now() + ORPHANS_FIRST_MS;
  #foreignTold = false;

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

  /**
   * One round. How many blobs it removed. A part that fails is logged and keeps no other part from
   * its work.
   */
  async sweep(now = Date.now()): Promise<number> {
    const { catalog, retentionDays } = this.#parts;
    const deletedBefore = now - retentionDays * DAY_MS;
    let removed = 0;
    await this.#part('uploads', () => this.#recoverUploads(now));
    await this.#part('trash', () =>
      this.#untilDone(() => catalog.purge(deletedBefore, BATCH_ROWS)),
    );
    await this.#part('operations', () => this.#untilDone(() => catalog.forget(now, BATCH_ROWS)));
    await this.#part('blobs', async () => {
      removed += await this.releaseExpired(now);
    });
    // A clock that was set back must not put the next look off.
    if (now >= this.#nextOrphansMs || this.#nextOrphansMs - now > ORPHANS_EVERY_MS) {
      this.#nextOrphansMs = now + ORPHANS_EVERY_MS;
      await this.#part('orphans', async () => {
        removed += await this.#removeOrphans(now);
      });
    }
    await this.#part('tidying', async () => {
      while (!this.#stop.signal.aborted && (await catalog.tidy()));
    });
    return removed;
  }

  /**
   * Gives up all bytes that were accepted and not claimed: whoever would have is gone. A failure
   * is logged and harmless: the leases then end by themselves.
   */
  releaseUploads(): Promise<void> {
    return this.#round(async () => {
      await this.#parts.catalog.expireUploadLeases();
      return this.sweep();
    });
  }

  /** A round at once; a failure is logged, and the next round repeats it. */
  sweepNow(): Promise<void> {
    return this.#round(() => this.sweep());
  }

  /** Removes blobs that only an expired lease kept. How many. */
  async releaseExpired(now = Date.now()): Promise<number> {
    let removed = 0;
    await this.#untilDone(async () => {
      const blobs = await this.#parts.catalog.blobsToRelease(now, BATCH_ROWS);
      removed += await this.release(blobs, now);
      return blobs.length;
    });
    return removed;
  }

  /** Removes those of the blobs that neither an image nor a lease keeps. How many. */
  async release(blobs: readonly string[], now = Date.now()): Promise<number> {
    const { catalog, locks } = this.#parts;
    let removed = 0;
    const failures: unknown[] = [];
    for (const sha256 of new Set(blobs)) {
      const released = locks.hold(sha256, async () => {
        if (!(await catalog.forgetBlob(sha256, now))) return;
        if (await this.#parts.blobs.delete(sha256)) removed += 1;
        await catalog.blobDeleted(sha256);
      });
      // One that cannot be deleted must not keep the others from it.
      await released.catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    return removed;
  }

  async #untilDone(batch: () => Promise<number>): Promise<void> {
    while (!this.#stop.signal.aborted && (await batch()) >= BATCH_ROWS);
  }

  async #recoverUploads(now: number): Promise<void> {
    const foreign = await this.#parts.intake?.recover((sha256) => this.release([sha256], now));
    if (!foreign?.length || this.#foreignTold) return;
    this.#foreignTold = true;
    const names = foreign.slice(0, NAMED_FOREIGN);
    this.#parts.log.info(
      { names, count: foreign.length },
      'The folder of uploads holds entries of other programs, which are left alone',
    );
  }

  async #removeOrphans(now: number): Promise<number> {
    const { blobs, catalog } = this.#parts;
    let removed = 0;
    const failures: unknown[] = [];
    for await (const { sha256, modified_at } of blobs.list()) {
      if (this.#stop.signal.aborted) break;
      if (now - modified_at.getTime() < ORPHAN_MIN_AGE_MS) continue;
      try {
        if (await catalog.findBlob(sha256)) continue;
        removed += await this.release([sha256]);
      } catch (error) {
        failures[0] ??= error;
      }
    }
    if (failures.length > 0) throw failures[0];
    return removed;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await sleep(this.#parts.intervalMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      await this.#round(() => this.sweep());
    }
  }

  async #part(part: string, work: () => Promise<void>): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await work().catch((error) => this.#failed(error, part));
  }

  #failed(error: unknown, part?: string): void {
    this.#parts.log.error({ err: error, part }, 'The sweep failed; the next one repeats it');
  }

  async #round(work: () => Promise<number>): Promise<void> {
    const { log } = this.#parts;
    try {
      const removed = await work();
      if (removed > 0) log.info({ removed }, 'Swept blobs that nothing refers to');
    } catch (error) {
      this.#failed(error);
    }
  }
}
