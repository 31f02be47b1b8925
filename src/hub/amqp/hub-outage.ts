import type { HealthError, HealthReason } from '../../contract/health.ts';

/** How often the log repeats that the message hub is still unreachable. */
const REMIND_MS = 60_000;

export type OutageLog = {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
};

/**
 * The time in which the message hub cannot be used, for the log and the health: one line for each
 * reason, one every minute with how long it has lasted, and one at the end.
 */
export class HubOutage {
  readonly #log: OutageLog;
  readonly #address: string;
  readonly #told = new Set<HealthReason>();
  #fault: HealthError | undefined;
  #since = 0;
  #reminder: NodeJS.Timeout | undefined;
  #closed = false;

  /** `url` as in MESSAGE_HUB_URL. */
  constructor(url: string, log: OutageLog) {
    this.#address = withoutPassword(url);
    this.#log = log;
  }

  /** Undefined while the hub works, as far as is known. */
  get fault(): HealthError | undefined {
    return this.#fault;
  }

  failed(fault: HealthError, details: object = {}): void {
    if (this.#closed) return;
    if (!this.#fault) this.#begin();
    this.#fault = fault;
    if (this.#told.has(fault.reason)) return;
    this.#told.add(fault.reason);
    const err = fault.cause === undefined ? {} : { err: fault.cause };
    const facts = { address: this.#address, reason: fault.reason, ...details, ...err };
    this.#log.warn(facts, `${fault.message} Retrying.`);
  }

  ended(): void {
    if (!this.#fault) return;
    clearInterval(this.#reminder);
    const facts = { address: this.#address, seconds: this.#seconds() };
    this.#log.info(facts, 'The message hub is reachable again');
    this.#told.clear();
    this.#fault = undefined;
  }

  /** From now on a connection that ends is no outage. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#reminder);
  }

  #begin(): void {
    this.#since = performance.now();
    this.#reminder = setInterval(() => this.#remind(), REMIND_MS).unref();
  }

  #remind(): void {
    const { reason } = this.#fault!;
    const facts = { address: this.#address, reason, seconds: this.#seconds() };
    this.#log.warn(facts, 'The message hub is still unreachable; retrying');
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#since) / 1000);
  }
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  url.password = '';
  url.search = '';
  return url.href;
}
