import { ServiceError } from '../contract/errors.ts';
import { READ_DEADLINE_MS } from '../contract/limits.ts';
import type { Call } from '../contract/storage.ts';

type Shared = { answer: Promise<unknown>; waiting: number; ending: AbortController };

/**
 * Equal reads at the same time are asked once. Nobody joins a read that began before a change that
 * was heard of or made here: its answer may be older. A read ends when nobody waits for it any more.
 */
export class SharedReads {
  readonly #reads = new Map<string, Shared>();

  async share<T>(key: string, call: Call, read: (call: Call) => Promise<T>): Promise<T> {
    call.signal.throwIfAborted();
    const shared = this.#reads.get(key) ?? this.#begin(key, call, read);
    shared.waiting += 1;
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(call.signal.reason);
    call.signal.addEventListener('abort', leave, { once: true });
    const timer = setTimeout(() => left.reject(late()), call.deadline - Date.now());
    try {
      return (await Promise.race([shared.answer, left.promise])) as T;
    } finally {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', leave);
      shared.waiting -= 1;
      if (shared.waiting === 0) shared.ending.abort(late());
    }
  }

  endSharing(): void {
    this.#reads.clear();
  }

  #begin<T>(key: string, call: Call, read: (call: Call) => Promise<T>): Shared {
    const ending = new AbortController();
    const deadline = Math.max(call.deadline, Date.now() + READ_DEADLINE_MS);
    const answer = read({ requestId: call.requestId, deadline, signal: ending.signal });
    const shared: Shared = { answer, waiting: 0, ending };
    this.#reads.set(key, shared);
    const forget = () => {
      if (this.#reads.get(key) === shared) this.#reads.delete(key);
    };
    answer.then(forget, forget);
    return shared;
  }
}

function late(): ServiceError {
  return new ServiceError('deadline_exceeded', 'The storage did not answer in time. Try again.');
}
