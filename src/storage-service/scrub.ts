import * as fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../contract/errors.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { DamageObserver } from './blobs/damage.ts';
import type { Blob, Catalog } from './catalog/catalog.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const PAGE_BLOBS = 500;
/** A service that just started has its caches to fill. */
const FIRST_MS = 10 * 60 * 1000;
/** Between two looks whether the next round is due, and after a failure. */
const LOOK_MS = 10 * 60 * 1000;
/** How often the place is written: a restart repeats at most what was read since. */
const SAVE_MS = 5 * 60 * 1000;
/** Hashing this much takes 0.15 ms a second; slower, a small store would have a file open for long. */
const RATE_MIN_BYTES_PER_SECOND = 256 * 1024;
/** A round ends before the next is due, also when the service stands still at times. */
const SHARE_OF_TIME = 0.8;

/** Errors that say nothing of the file. */
const OF_THE_PROCESS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

type Log = {
  info(data: object, message: string): void;
  error(data: object, message: string): void;
};

type Parts = {
  catalog: Pick<Catalog, 'blobsAfter' | 'findBlob' | 'usage'>;
  blobs: Pick<BlobStore, 'hash'>;
  observer: DamageObserver;
  /** The file that keeps the place. It may be lost: then a round begins anew. */
  place: string;
  /** A round for all blobs takes about that long; 0: never. */
  days: number;
  log: Log;
};

/** The last blob that was read, none when the round is done, and when it began (Unix, milliseconds). */
type Place = { after: string; started: number };

/**
 * Reads all blobs in the background, slowly, and compares their hashes: what nobody asks for may be
 * damaged too, and is best known while the backup still has it. The log and the metrics tell of
 * damage; nothing is changed.
 */
export class Scrub {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #blobs = 0;
  #bytes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** For metrics: what was read since the start. */
  get read(): { blobs: number; bytes: number } {
    return { blobs: this.#blobs, bytes: this.#bytes };
  }

  start(): void {
    if (this.#parts.days > 0) this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Goes on where the last one ended, unless that was less than a round ago. */
  async round(now = Date.now()): Promise<void> {
    const { catalog, days, log } = this.#parts;
    const saved = await this.#saved();
    if (saved?.after === '' && now < saved.started + days * DAY_MS) return;
    let place = saved?.after ? saved : { after: '', started: now };
    const { bytes: total } = await catalog.usage();
    const pace = (bytes: number) => this.#pause(pauseMs(bytes, total, days));
    let savedAt = now;
    for (;;) {
      const page = await catalog.blobsAfter(place.after, PAGE_BLOBS);
      for (const blob of page) {
        if (this.#stop.signal.aborted) return place.after ? this.#save(place) : undefined;
        await this.#compare(blob, pace);
        place = { ...place, after: blob.sha256 };
        if (Date.now() - savedAt < SAVE_MS) continue;
        savedAt = Date.now();
        await this.#save(place);
      }
      if (page.length < PAGE_BLOBS) break;
    }
    await this.#save({ after: '', started: place.started });
    log.info(this.read, 'The scrub has compared every blob with its hash');
  }

  async #compare({ sha256 }: Blob, pace: (bytes: number) => Promise<void>): Promise<void> {
    const { catalog, blobs, observer } = this.#parts;
    try {
      const found = await blobs.hash(sha256, async (bytes) => {
        this.#bytes += bytes;
        await pace(bytes);
      });
      this.#blobs += 1;
      // The row may have gone with the bytes.
      if (found !== undefined || !(await catalog.findBlob(sha256))) return;
      observer.damaged(sha256, 'missing');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (!(error instanceof ServiceError) || OF_THE_PROCESS.has(code)) throw error;
      observer.damaged(sha256, error.code === 'content_damaged' ? 'size' : 'unreadable');
    }
  }

  async #run(): Promise<void> {
    await this.#pause(FIRST_MS);
    while (!this.#stop.signal.aborted) {
      await this.round().catch((error) => {
        this.#parts.log.error({ err: error }, 'The scrub failed; it goes on later');
      });
      await this.#pause(LOOK_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
  }

  async #saved(): Promise<Place | undefined> {
    try {
      const { after, started } = JSON.parse(await fs.readFile(this.#parts.place, 'utf8'));
      if (typeof after !== 'string' || typeof started !== 'number') return undefined;
      // A clock that was ahead must not put the next round off.
      return { after, started: Math.min(started, Date.now()) };
    } catch {
      return undefined;
    }
  }

  /** Renamed into its place, so that it is never half. On a full disk the place before stays. */
  async #save(place: Place): Promise<void> {
    const fresh = `${this.#parts.place}.new`;
    try {
      await fs.writeFile(fresh, JSON.stringify(place));
      await fs.rename(fresh, this.#parts.place);
    } catch {
      await fs.rm(fresh, { force: true }).catch(() => {});
    }
  }
}

/** The time that reading so many bytes may take, of a round over all of them. */
export function pauseMs(bytes: number, totalBytes: number, days: number): number {
  const evenly = totalBytes / ((days * DAY_MS * SHARE_OF_TIME) / 1000);
  return (bytes / Math.max(evenly, RATE_MIN_BYTES_PER_SECOND)) * 1000;
}
