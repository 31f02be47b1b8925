import { LRUCache } from 'lru-cache';
import type { ImagePage } from '../../contract/image.ts';
import type { Json } from '../../contract/json.ts';
import type { ImageEvents } from '../../contract/storage.ts';

/** From when it was asked for: how stale a page can be where an event was lost or comes late. */
const PAGE_KEPT_MS = 1_000;

/**
 * Pages of lists by the query that asked for them. Any change of an image may be one of any list, so
 * each takes them all away; a page that was asked for before a change is not kept after it.
 */
export class ListCache {
  readonly #events: ImageEvents;
  readonly #pages: LRUCache<string, Buffer> | undefined;
  #changes = 0;
  #hits = 0;
  #misses = 0;
  /** Ends listening. */
  readonly close: () => void;

  constructor(events: ImageEvents, sizeBytes: number) {
    this.#events = events;
    if (sizeBytes > 0) {
      this.#pages = new LRUCache({
        maxSize: sizeBytes,
        sizeCalculation: (page, query) => page.length + query.length,
        ttl: PAGE_KEPT_MS,
      });
    }
    const changed = () => this.changed();
    this.close = events.subscribe(changed, changed);
  }

  /** For metrics. */
  get load(): { hits: number; misses: number; bytes: number } {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#pages?.calculatedSize ?? 0 };
  }

  /** What is kept, at once; nothing while changes are not heard. */
  kept(query: string): Buffer | undefined {
    const page = this.#events.heard ? this.#pages?.get(query) : undefined;
    if (page) this.#hits += 1;
    else this.#misses += 1;
    return page;
  }

  async read(query: string, read: () => Promise<Json<ImagePage>>): Promise<Buffer> {
    const start = performance.now();
    const changes = this.#changes;
    const page = Buffer.from(await read());
    if (changes === this.#changes) this.#pages?.set(query, page, { start });
    return page;
  }

  changed(): void {
    this.#changes += 1;
    this.#pages?.clear();
  }
}
