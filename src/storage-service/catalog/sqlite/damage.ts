import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '../../../contract/errors.ts';
import { catalogDamaged, isCatalogDamaged } from '../../disk-fault.ts';

/** Once the service works: the check must not hold up its start. */
const CHECK_AFTER_MS = 10_000;
/** Enough for some gigabytes. A check that is longer keeps the log of SQLite from being emptied. */
const CHECK_MAX_MS = 30_000;

export type DamageLog = {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
};

/** Whether the catalog is known to be damaged, from what its calls met or from a check. */
export class Damage {
  readonly #log: DamageLog | undefined;
  #fault: ServiceError | undefined;

  constructor(log?: DamageLog) {
    this.#log = log;
  }

  /** What a write is refused with, once damage is known. */
  get fault(): ServiceError | undefined {
    return this.#fault;
  }

  async watch<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      if (isCatalogDamaged(error)) this.#found(error);
      throw error;
    }
  }

  /** Checks the file beside what the service does, for a bounded time. Never fails. */
  async look(
    path: string,
    signal: AbortSignal,
    { afterMs = CHECK_AFTER_MS, maxMs = CHECK_MAX_MS } = {},
  ): Promise<void> {
    try {
      await sleep(afterMs, undefined, { signal, ref: false });
      const { quickCheck } = await import('./quick-check.ts');
      const faults = await quickCheck(path, signal, maxMs);
      const message =
        'The check of the catalog was stopped at its time limit; "npm run verify" checks all of it';
      if (!faults) this.#log?.info({}, message);
      else if (faults.length > 0) this.#found(catalogDamaged(new Error(faults.join('\n'))));
    } catch (error) {
      if (!signal.aborted) this.#log?.warn({ err: error }, 'The catalog could not be checked');
    }
  }

  #found(fault: ServiceError): void {
    if (this.#fault) return;
    this.#fault = fault;
    const message =
      'The catalog is damaged. Nothing is written any more, and reads fail where the damage is. Stop the service, run "npm run verify", and restore the last backup into a new DATA_DIR';
    this.#log?.error({ err: fault }, message);
  }
}
