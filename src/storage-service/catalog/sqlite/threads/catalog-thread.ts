import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ServiceError } from '../../../../contract/errors.ts';
import { storageUnavailable } from '../../../disk-fault.ts';
import { type Answered, type Asked, CLOSE, type Notice, type WorkerSettings } from './messages.ts';

/** Calls that wait for one thread; more are refused at once, since they would only time out. */
const WAITING_MAX_CALLS = 2_000;

/** A commit and the last checkpoint on a slow disk. */
const STOP_MS = 5_000;

type Waiter = { resolve(value: unknown): void; reject(error: unknown): void };

/** One worker thread with a connection of its own, and the calls that wait for its answers. */
export class CatalogThread {
  readonly #worker: Worker;
  readonly #waiters = new Map<number, Waiter>();
  #lastId = 0;
  #ended: unknown;

  private constructor(worker: Worker, notify: (notice: Notice) => void) {
    this.#worker = worker;
    worker.on('message', (message: Answered | Notice) => {
      if ('id' in message) this.#settle(message);
      else notify(message);
    });
    worker.on('error', (error) => this.#end(error));
    worker.on('exit', () => this.#end(new Error('The catalog thread ended.')));
  }

  static async start(
    settings: WorkerSettings,
    notify: (notice: Notice) => void = () => {},
  ): Promise<CatalogThread> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: settings });
    await once(worker, 'message');
    return new CatalogThread(worker, notify);
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Ends with the answer, or with what `late` says at the deadline (milliseconds since the epoch). */
  async ask<T>(
    call: string,
    values: unknown[],
    deadline: number,
    late: () => ServiceError,
  ): Promise<T> {
    if (this.#ended) throw storageUnavailable(this.#ended);
    if (this.#waiters.size >= WAITING_MAX_CALLS) {
      throw new ServiceError('overloaded', 'The catalog has too much to do; try again shortly.');
    }
    if (Date.now() >= deadline) throw late();
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => this.#giveUp(id, late()), Math.max(0, deadline - Date.now()));
    this.#waiters.set(id, { resolve, reject });
    this.#worker.postMessage({ id, call, values } satisfies Asked);
    try {
      return (await promise) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets what has begun end, for a bounded time. */
  async stop(): Promise<void> {
    this.#ended ??= new Error('The catalog is closed.');
    const exit = once(this.#worker, 'exit', { signal: AbortSignal.timeout(STOP_MS) });
    this.#worker.postMessage(CLOSE);
    await exit.catch(() => this.#worker.terminate());
  }

  #settle(answered: Answered): void {
    const waiter = this.#waiters.get(answered.id);
    this.#waiters.delete(answered.id);
    if (!waiter) return;
    if ('error' in answered) {
      const error = ServiceError.fromData(answered.error);
      if (answered.cause) error.cause = answered.cause;
      waiter.reject(error);
    } else {
      waiter.resolve(answered.value);
    }
  }

  #giveUp(id: number, error: ServiceError): void {
    this.#waiters.get(id)?.reject(error);
    this.#waiters.delete(id);
  }

  #end(error: unknown): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiters.values()) reject(storageUnavailable(this.#ended));
    this.#waiters.clear();
  }
}
