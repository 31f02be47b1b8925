import type { StorageEvents } from '../contract/storage.ts';
import type { Catalog, RecordedEvent } from './catalog/catalog.ts';

/** Sent together: the catalog is asked once for as many. */
const BATCH_EVENTS = 100;
/** Whatever was not announced is found by then; also how soon a failure is tried again. */
const LOOK_EVERY_MS = 2_000;

type Log = { warn(data: object, message: string): void };

type Parts = {
  catalog: Catalog;
  /** Announces changes as they are committed. */
  changes: StorageEvents;
  /** Resolves when the event is with the hub; waits while that is away. Called in order. */
  publish(recorded: RecordedEvent, signal: AbortSignal): Promise<void>;
  log: Log;
};

/**
 * Publishes events after their changes, in order, at least once: they were written in the
 * transaction of their change, and are asked for again until they are known to be published.
 */
export class Outbox {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #unsubscribe = () => {};
  #wake = Promise.withResolvers<void>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#unsubscribe = this.#parts.changes.subscribe(() => this.#wake.resolve());
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort(new Error('The service is stopped.'));
    this.#wake.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      try {
        while (!signal.aborted && (await this.#publishBatch()) === BATCH_EVENTS);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.log.warn({ err: error }, 'Events could not be published; trying again');
        await this.#pause();
        continue;
      }
      const timer = setTimeout(this.#wake.resolve, LOOK_EVERY_MS);
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  async #publishBatch(): Promise<number> {
    const { catalog, publish } = this.#parts;
    const recorded = await catalog.unpublishedEvents(BATCH_EVENTS);
    await Promise.all(recorded.map((each) => publish(each, this.#stop.signal)));
    const last = recorded.at(-1);
    if (last) await catalog.eventsPublished(last.place);
    return recorded.length;
  }

  /** Not cut short by the changes that go on meanwhile. */
  async #pause(): Promise<void> {
    const { signal } = this.#stop;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, LOOK_EVERY_MS);
    const end = () => over.resolve();
    signal.addEventListener('abort', end, { once: true });
    await over.promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
