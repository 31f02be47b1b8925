import { LRUCache } from 'lru-cache';
import type { ImageEvents, Storage } from '../../contract/storage.ts';
import { askAlone } from '../request/call.ts';
import { type Representation, represent } from './representation.ts';

/** About 2 KB each. */
const IMAGES_MAX = 20_000;
/** How stale an answer can be when an event was lost: a hub that was away delivers none. */
const IMAGE_KEPT_MS = 30_000;

/**
 * Images whose content was asked for, as storage last described them.
 *
 * A read that began before a change and ends after it must not restore what was: an event takes
 * the image out of `#reading`, so that the old read is not kept and nobody joins it any more. The
 * highest version seen guards against a storage that answers with an older state than it announced.
 */
export class ImageCache {
  readonly #storage: Storage;
  readonly #images = new LRUCache<string, Representation>({ max: IMAGES_MAX, ttl: IMAGE_KEPT_MS });
  readonly #versions = new LRUCache<string, number>({ max: IMAGES_MAX });
  readonly #reading = new Map<string, Promise<Representation>>();
  /** Ends listening. */
  readonly close: () => void;

  constructor(storage: Storage, events: ImageEvents) {
    this.#storage = storage;
    this.close = events.subscribe(
      ({ data }) => this.changed(data.image_id, data.version),
      () => this.#forgetAll(),
    );
  }

  /** What is kept, at once. */
  kept(imageId: string): Representation | undefined {
    return this.#images.get(imageId);
  }

  /** Throws image_not_found. Requests that ask at the same time share one read. */
  async read(imageId: string, requestId: string): Promise<Representation> {
    const shared = this.#reading.get(imageId);
    if (shared) return shared;
    const ask = askAlone(requestId, (call) => this.#storage.getImage(imageId, call));
    const reading = ask.then(represent);
    this.#reading.set(imageId, reading);
    try {
      const read = await reading;
      const current = this.#reading.get(imageId) === reading;
      if (current && read.image.version >= (this.#versions.get(imageId) ?? 0)) {
        this.#images.set(imageId, read);
      }
      return read;
    } finally {
      if (this.#reading.get(imageId) === reading) this.#reading.delete(imageId);
    }
  }

  /** After a time without events: whatever is kept, or being read, may have changed since. */
  #forgetAll(): void {
    this.#reading.clear();
    this.#images.clear();
  }

  /** Forgets what is older; without a version, whatever there is. */
  changed(imageId: string, version = Number.POSITIVE_INFINITY): void {
    this.#reading.delete(imageId);
    if ((this.#images.peek(imageId)?.image.version ?? 0) < version) this.#images.delete(imageId);
    const seen = this.#versions.get(imageId) ?? 0;
    if (Number.isFinite(version)) this.#versions.set(imageId, Math.max(seen, version));
  }
}
