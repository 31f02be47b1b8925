/**
 * A bounded amount that takers share: each waits until what it wants is free, first come, first
 * served, so a large one is not passed by small ones for ever.
 */
export class Tickets {
  readonly #total: number;
  #taken = 0;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when `amount` is taken; to be disposed of. Rejects with the signal's reason. */
  async take(amount: number, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // What is more than all there is takes all there is.
    const waiter = { amount: Math.min(amount, this.#total), grant: resolve };
    const leave = () => {
      const place = this.#waiting.indexOf(waiter);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      reject(signal.reason);
      this.#serve();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#waiting.push(waiter);
    this.#serve();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
    return { [Symbol.dispose]: () => this.#giveBack(waiter.amount) };
  }

  #giveBack(amount: number): void {
    this.#taken -= amount;
    this.#serve();
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#taken + next.amount > this.#total) return;
      this.#waiting.shift();
      this.#taken += next.amount;
      next.grant();
    }
  }
}
