import type { Chance } from '../../faults/seeded.ts';

/** When a run begins, in milliseconds since the epoch. */
const BEGINNING = Date.UTC(2026, 0, 1);
/** Keeps the order of what would else be due at the same time. */
export const MOMENT_MS = 0.001;

/** What setTimeout gives: enough of it for whoever only cancels it. */
class Timer {
  readonly at: number;
  /** Who of those due at the same time comes first. */
  readonly turn: number;
  readonly run: () => void;
  cancelled = false;

  constructor(at: number, turn: number, run: () => void) {
    this.at = at;
    this.turn = turn;
    this.run = run;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/**
 * Time that stands still while anything runs, and then goes on to whatever is due next. While it
 * is installed, all code of the process lives in it.
 */
export class VirtualTime {
  readonly #chance: Chance;
  /** The last one is due first. */
  readonly #timers: Timer[] = [];
  #now = BEGINNING;
  /** What the clock shows beside the time that has passed. */
  #clockMs = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** In whole milliseconds, as clocks have it. */
  get now(): number {
    return Math.floor(this.#now + this.#clockMs);
  }

  get exactNow(): number {
    return this.#now;
  }

  /** Since the beginning. */
  get elapsedMs(): number {
    return this.#now - BEGINNING;
  }

  after(ms: number, run: () => void): Timer {
    return this.at(this.#now + Math.max(0, ms), run);
  }

  at(at: number, run: () => void): Timer {
    const timer = new Timer(at, this.#chance.below(2 ** 30), run);
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#timers[middle]!;
      if (other.at < at || (other.at === at && other.turn < timer.turn)) high = middle;
      else low = middle + 1;
    }
    this.#timers.splice(low, 0, timer);
    return timer;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** As if the machine slept: whatever became due meanwhile is late. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** Somebody sets the clock; what waits, waits as long as before. */
  setClock(byMs: number): void {
    this.#clockMs += byMs;
  }

  /** Runs what is due next, and all that follows from it at once. False when nothing is due. */
  async step(): Promise<boolean> {
    const timer = this.#timers.pop();
    if (!timer) return false;
    if (timer.cancelled) return true;
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
    await settled();
    return true;
  }

  /** Puts this time in the place of the real one. Returns how to end that. */
  install(): () => void {
    const real = { setTimeout, clearTimeout, setInterval, clearInterval };
    const { now } = Date;
    const { timeout } = AbortSignal;
    const performanceNow = performance.now;
    const cancel = (timer: unknown) => {
      if (timer instanceof Timer) timer.cancelled = true;
    };
    Object.assign(globalThis, {
      setTimeout: (run: (...values: unknown[]) => void, ms = 0, ...values: unknown[]) =>
        this.after(ms, () => run(...values)),
      clearTimeout: cancel,
      setInterval: () => {
        throw new Error('Nothing here repeats by an interval.');
      },
      clearInterval: cancel,
    });
    Date.now = () => this.now;
    performance.now = () => this.elapsedMs;
    AbortSignal.timeout = (ms) => {
      const ending = new AbortController();
      this.after(ms, () => {
        ending.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
      });
      return ending.signal;
    };
    return () => {
      Object.assign(globalThis, real);
      Date.now = now;
      AbortSignal.timeout = timeout;
      performance.now = performanceNow;
    };
  }
}

/** Once every promise that can go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
