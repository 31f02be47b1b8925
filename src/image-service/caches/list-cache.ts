import { LRUCache } from 'lru-cache';
import type { ImageFilter, ImagePage } from '../../contract/image.ts';
import type { Json } from '../../contract/json.ts';
import type { StorageEvents } from '../../contract/storage.ts';

/** From when it was asked for: how stale a page can be where an event was lost. */
const PAGE_KEPT_MS = 10_000;
/** What keeping a page costs beside its bytes. */
const ENTRY_BYTES = 512;
/** Texts of queries whose filters are remembered; others are read again. */
const QUERIES_MAX_BYTES = 256 * 1024;

type ListCacheOptions = {
  /** With 0 nothing is kept. */
  sizeBytes: number;
  keptMs?: number;
};

/**
 * Pages of lists by the filter that asked for them, however its query was written. Any change of an image or a theme may be one of any
 * list, so each takes them all away; a page that was asked for before a change is not kept after it.
 */
export class ListCache {
  readonly #events: StorageEvents;
  readonly #pages: LRUCache<string, Buffer> | undefined;
  /** The filter, in its one form, by the text of a query. */
  readonly #filters = new LRUCache<string, string>({
    maxSize: QUERIES_MAX_BYTES,
    sizeCalculation: (filter, query) => 2 * (filter.length + query.length) + 1,
  });
  readonly #tidying: NodeJS.Timeout | undefined;
  readonly #endEvents: () => void;
  #changes = 0;
  #hits = 0;
  #misses = 0;

  constructor(events: StorageEvents, { sizeBytes, keptMs = PAGE_KEPT_MS }: ListCacheOptions) {
    this.#events = events;
    if (sizeBytes > 0) {
      this.#pages = new LRUCache({
        maxSize: sizeBytes,
        sizeCalculation: (page, filter) => page.length + filter.length + ENTRY_BYTES,
        ttl: keptMs,
      });
      this.#tidying = setInterval(() => this.#pages?.purgeStale(), keptMs).unref();
    }
    const changed = () => this.changed();
    this.#endEvents = events.subscribe(changed, changed);
  }

  /** For metrics. */
  get load(): { hits: number; misses: number; bytes: number } {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#pages?.calculatedSize ?? 0 };
  }

  /** What is kept, at once; nothing while changes are not heard. */
  kept(query: string): Buffer | undefined {
    const filter = this.#filters.get(query);
    return filter === undefined ? undefined : this.#kept(filter);
  }

  /** What `read` reads, kept if nothing changed meanwhile; or what another query left. */
  async read(
    query: string,
    filter: ImageFilter,
    read: () => Promise<Json<ImagePage>>,
  ): Promise<Buffer> {
    const key = JSON.stringify(filter);
    if (this.#pages) this.#filters.set(query, key);
    const kept = this.#kept(key);
    if (kept) return kept;
    if (this.#pages) this.#misses += 1;
    const start = performance.now();
    const changes = this.#changes;
    const page = alone(await read());
    if (changes === this.#changes) this.#pages?.set(key, page, { start });
    return page;
  }

  #kept(filter: string): Buffer | undefined {
    const page = this.#events.heard ? this.#pages?.get(filter) : undefined;
    if (page) this.#hits += 1;
    return page;
  }

  changed(): void {
    this.#changes += 1;
    this.#pages?.clear();
  }

  close(): void {
    this.#endEvents();
    clearInterval(this.#tidying);
  }
}

/** Not as a part of a pool, which it would keep whole. */
function alone(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}
