/** Half of what a list is promised in: nobody waits longer where no more comes than can be done. */
const LATE_MS = 50;
/** What takes longer to get through is no burst. */
const BURST_MAX_MS = 300;
/** Where somebody asks again at once, the line is short for a moment and late again in the next. */
const STANDS_MS = 1_000;
/** A wait that leaves a list the time to be answered as promised. */
const PROMPT_MS = 10;

/**
 * Those that wait, and who is next. In a burst it is the oldest. Once the oldest have had to wait for
 * too long all through a burst's time, more comes than can be done, and the line stands: then, and for
 * a second after, it is the newest, which can still be prompt, and those that cannot are passed over.
 * By "Fail at Scale" (ACM Queue, 2015).
 *
 * Times are milliseconds on one clock that never runs backwards.
 */
export class WaitingLine<T> {
  /** In order of arrival. */
  readonly #waiting: { one: T; since: number }[] = [];
  /** Since when whoever was oldest had waited for too long. */
  #lateSince: number | undefined;
  #standsUntil = Number.NEGATIVE_INFINITY;

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

  /**
   * Takes out who is next; undefined when there is nobody, or nobody who still can be prompt. Where
   * nobody is being served (`idle`), one who is late takes the place of no other.
   */
  next(now: number, idle: boolean): T | undefined {
    const [oldest] = this.#waiting;
    if (!oldest) return undefined;
    if (now - oldest.since <= LATE_MS) this.#lateSince = undefined;
    else this.#lateSince ??= now;
    if (now - (this.#lateSince ?? now) >= BURST_MAX_MS) this.#standsUntil = now + STANDS_MS;
    if (now >= this.#standsUntil) return this.#waiting.shift()?.one;
    const prompt = now - this.#waiting.at(-1)!.since <= PROMPT_MS;
    return prompt || idle ? this.#waiting.pop()?.one : undefined;
  }
}
