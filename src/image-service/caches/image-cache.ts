import { LRUCache } from 'lru-cache';
import type { Storage, StorageEvents } from '../../contract/storage.ts';
import { askAlone } from '../request/call.ts';
import { type Representation, represent } from './representation.ts';

/** An image is kept as an object and as text. */
const BYTES_A_CHARACTER = 4;
/** Its headers, whatever its length. */
const HEADERS_BYTES = 2_048;
/** Which are known to have changed; of few is anything kept. */
const VERSIONS_MAX = 20_000;
/** How stale an answer can be when an event was lost: a hub that was away delivers none. */
const IMAGE_KEPT_MS = 10_000;

/**
 * Images that were asked for, as storage last described them.
 *
 * A read that began before a change and ends after it must not restore what was: an event takes
 * the image out of `#reading`, so that the old read is not kept and nobody joins it any more. The
 * highest version seen guards against a storage that answers with an older state than it announced.
 */
export class ImageCache {
  readonly #storage: Storage;
  readonly #events: StorageEvents;
  readonly #images: LRUCache<string, Representation> | undefined;
  readonly #versions = new LRUCache<string, number>({ max: VERSIONS_MAX });
  readonly #reading = new Map<string, Promise<Representation>>();
  #hits = 0;
  #misses = 0;
  /** Ends listening. */
  readonly close: () => void;

  constructor(storage: Storage, events: StorageEvents, sizeBytes: number) {
    this.#storage = storage;
    this.#events = events;
    if (sizeBytes > 0) {
      this.#images = new LRUCache({
        maxSize: sizeBytes,
        sizeCalculation: ({ text }) => text.length * BYTES_A_CHARACTER + HEADERS_BYTES,
        ttl: IMAGE_KEPT_MS,
      });
    }
    this.close = events.subscribe(
      ({ data }) => 'image_id' in data && this.changed(data.image_id, data.version),
      () => this.#forgetAll(),
    );
  }

  /** For metrics. */
  get load(): { hits: number; misses: number; bytes: number } {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#images?.calculatedSize ?? 0 };
  }

  /** What is kept, at once. */
  kept(imageId: string): Representation | undefined {
    const kept = this.peek(imageId);
    if (kept) this.used();
    return kept;
  }

  /** The same, but no hit before it is `used`. */
  peek(imageId: string): Representation | undefined {
    return this.#images?.get(imageId);
  }

  used(): void {
    this.#hits += 1;
  }

  /** What is kept, but nothing while changes are not heard. */
  current(imageId: string): Representation | undefined {
    return this.#events.heard ? this.kept(imageId) : undefined;
  }

  /** Throws image_not_found. Requests that ask at the same time share one read. */
  async read(imageId: string, requestId: string): Promise<Representation> {
    if (this.#images) this.#misses += 1;
    const shared = this.#reading.get(imageId);
    if (shared) return shared;
    const ask = askAlone(requestId, (call) => this.#storage.getImage(imageId, call));
    const reading = ask.then(represent);
    this.#reading.set(imageId, reading);
    try {
      const read = await reading;
      const current = this.#reading.get(imageId) === reading;
      if (current && read.image.version >= (this.#versions.get(imageId) ?? 0)) {
        this.#images?.set(imageId, read);
      }
      return read;
    } finally {
      if (this.#reading.get(imageId) === reading) this.#reading.delete(imageId);
    }
  }

  /** After a time without events: whatever is kept, or being read, may have changed since. */
  #forgetAll(): void {
    this.#reading.clear();
    this.#images?.clear();
  }

  /** Forgets what is older; without a version, whatever there is. */
  changed(imageId: string, version = Number.POSITIVE_INFINITY): void {
    this.#reading.delete(imageId);
    if ((this.#images?.peek(imageId)?.image.version ?? 0) < version) this.#images?.delete(imageId);
    const seen = this.#versions.get(imageId) ?? 0;
    if (Number.isFinite(version)) this.#versions.set(imageId, Math.max(seen, version));
  }
}
