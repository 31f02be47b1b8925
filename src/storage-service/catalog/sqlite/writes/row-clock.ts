import type { Statements } from '../statements.ts';

/**
 * Times stay equal rather than run backwards while the clock is behind by at most so much: servers of
 * time set clocks back by milliseconds. A clock further behind was wrong before, and is believed now.
 */
const AHEAD_MAX_MS = 1_000;

/**
 * The times of rows: those of the clock. The order of creation is that of `seq`; where a clock was set
 * back between two images, created_at does not rise with it, and `clock_steps` says where.
 */
export class RowClock {
  readonly #statements: Statements;
  readonly #wentBack: (byMs: number) => void;
  #lastMs: number;
  #lastCreatedMs: number;

  constructor(statements: Statements, wentBack: (byMs: number) => void) {
    this.#statements = statements;
    this.#wentBack = wentBack;
    this.#lastCreatedMs = this.#newest();
    this.#lastMs = this.#lastCreatedMs;
  }

  now(): number {
    const now = Date.now();
    const behind = this.#lastMs - now;
    if (behind > AHEAD_MAX_MS) this.#wentBack(behind);
    this.#lastMs = behind > AHEAD_MAX_MS ? now : Math.max(now, this.#lastMs);
    return this.#lastMs;
  }

  /** An image was created, at a time that `now` gave. */
  created(seq: number, ms: number): void {
    if (ms < this.#lastCreatedMs) {
      this.#statements.run('insert or ignore into clock_steps values (?)', seq);
    }
    this.#lastCreatedMs = ms;
  }

  /** Forgets the images of a transaction that was undone. */
  undone(): void {
    this.#lastCreatedMs = this.#newest();
  }

  #newest(): number {
    const sql = 'select created_at from images order by seq desc limit 1';
    return (this.#statements.get(sql)?.created_at as number) ?? 0;
  }
}
