/** A wait after which an answer can still come within the 100 ms that are promised. */
const PROMPT_MS = 100;
/** What takes longer to get through is no burst. */
const BURST_MAX_MS = 300;

/**
 * Those that wait, and who is next. In a burst it is the oldest. Once the oldest have had to wait for
 * too long all through a burst's time, more comes than can be done: then it is the newest, which can
 * still be prompt, and those that cannot are passed over. By "Fail at Scale" (ACM Queue, 2015).
 *
 * Times are milliseconds on one clock that never runs backwards.
 */
export class WaitingLine<T> {
  /** Since when, in order of arrival. */
  readonly #waiting = new Map<T, number>();
  /** Since when whoever was next had waited for too long. */
  #lateSince: number | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  add(one: T, now: number): void {
    this.#waiting.set(one, now);
  }

  delete(one: T): void {
    this.#waiting.delete(one);
  }

  /** Takes out who is next. */
  next(now: number): T | undefined {
    const next = this.#next(now);
    if (next !== undefined) this.#waiting.delete(next);
    return next;
  }

  #next(now: number): T | undefined {
    const [oldest] = this.#waiting;
    const prompt = ([, since]: [T, number]) => now - since <= PROMPT_MS;
    if (!oldest || prompt(oldest)) {
      this.#lateSince = undefined;
      return oldest?.[0];
    }
    this.#lateSince ??= now;
    if (now - this.#lateSince < BURST_MAX_MS) return oldest[0];
    const newest = [...this.#waiting].at(-1)!;
    return prompt(newest) ? newest[0] : undefined;
  }
}
