import { toServiceError } from '../contract/errors.ts';
import type { Storage } from '../contract/storage.ts';
import { traced } from './trace.ts';

/** Told of each call of a storage: its name as in the contract, `success` or a code, seconds. */
export type Observe = (operation: string, outcome: string, seconds: number) => void;

/** The same storage; every call is told of when it ends, and is a span. */
export function measuredStorage(storage: Storage, observe: Observe): Storage {
  const measured = new Map<PropertyKey, unknown>();
  return new Proxy(storage, {
    get(target, name) {
      if (!measured.has(name)) measured.set(name, measuredCall(target, name, observe));
      return measured.get(name);
    },
  });
}

function measuredCall(storage: Storage, name: PropertyKey, observe: Observe): unknown {
  const call = Reflect.get(storage, name) as unknown;
  if (typeof call !== 'function') return call;
  const operation = String(name).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return async (...values: unknown[]) => {
    const started = performance.now();
    const end = (outcome: string) => observe(operation, outcome, secondsSince(started));
    try {
      const about = { kind: 'internal' } as const;
      const answer = await traced(`storage ${operation}`, about, () => call.apply(storage, values));
      end('success');
      return answer;
    } catch (error) {
      end(toServiceError(error).code);
      throw error;
    }
  };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
