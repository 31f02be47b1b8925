/** One holder at a time for each key; the others wait in order of asking. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  async hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    this.#tails.set(key, released);
    try {
      await before;
      return await work();
    } finally {
      if (this.#tails.get(key) === released) this.#tails.delete(key);
      release();
    }
  }
}
