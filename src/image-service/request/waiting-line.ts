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
  /** In order of arrival. */
  readonly #waiting: { one: T; since: number }[] = [];
  /** Since when whoever was next had waited for too long. */
  #lateSince: number | undefined;

  get size(): number {
    return this.#waiting.length;
  }

  add(one: T, now: number): void {
    this.#waiting.push({ one, since: now });
  }

  delete(one: T): void {
    const place = this.#waiting.findIndex((waiting) => waiting.one === one);
    if (place >= 0) this.#waiting.splice(place, 1);
  }

  /** Takes out who is next; undefined when there is nobody, or nobody who still can be prompt. */
  next(now: number): T | undefined {
    const prompt = ({ since }: { since: number }) => now - since <= PROMPT_MS;
    const [oldest] = this.#waiting;
    if (!oldest || prompt(oldest)) {
      this.#lateSince = undefined;
      return this.#waiting.shift()?.one;
    }
    this.#lateSince ??= now;
    if (now - this.#lateSince < BURST_MAX_MS) return this.#waiting.shift()?.one;
    return prompt(this.#waiting.at(-1)!) ? this.#waiting.pop()?.one : undefined;
  }
}
