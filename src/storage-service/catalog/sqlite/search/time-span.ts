import type { ImageFilter } from '../../../../contract/image.ts';
import { SEARCH_ORIGIN } from '../schema.ts';
import type { Statements } from '../statements.ts';

/** Each costs two searches of some 20 steps. A clock that goes wrong more often costs whole walks. */
const CLOCK_STEPS_MAX = 64;

export type TimeSpan = {
  /** Every image of the span has a seq between the two, neither included. */
  above: number;
  below: number;
  /** Milliseconds; the span is between the two, neither included. */
  after: number;
  before: number;
  /** All images between `above` and `below` are of the span, so that their times need no look. */
  exact: boolean;
};

/**
 * A span of time as a span of seq, which rises with created_at unless the clock was set back. Between
 * two of those steps it rises again, so that each part is searched by halves.
 */
export function timeSpanOf(filter: ImageFilter, statements: Statements): TimeSpan {
  const { created_after, created_before } = filter;
  const after = created_after === undefined ? -Infinity : milliseconds(created_after).last;
  const before = created_before === undefined ? Infinity : milliseconds(created_before).next;
  const whole = { above: 0, below: SEARCH_ORIGIN, after, before };
  if (after === -Infinity && before === Infinity) return { ...whole, exact: true };
  const steps = statements
    .all('select seq from clock_steps order by seq limit ?', CLOCK_STEPS_MAX + 1)
    .map(({ seq }) => seq as number);
  if (steps.length > CLOCK_STEPS_MAX) return { ...whole, exact: false };
  const newest = (statements.get('select max(seq) as seq from images')?.seq as number) ?? 0;
  const firstFrom = steps.length === 0 ? firstByIndex : firstByHalves;
  const ends = [...steps, newest + 1];
  const parts = ends
    .map((end, index) => {
      const start = ends[index - 1] ?? 1;
      const first = firstFrom(after + 1, start, end, statements);
      return [first, firstFrom(before, first, end, statements)] as const;
    })
    .filter(([first, end]) => first < end);
  return {
    ...whole,
    above: Math.min(...parts.map(([first]) => first - 1), newest),
    below: Math.max(...parts.map(([, end]) => end), 0),
    exact: steps.length === 0,
  };
}

/** The least seq from which on images were created at that time or later, where the clock never fell. */
function firstByIndex(ms: number, start: number, end: number, statements: Statements): number {
  if (ms === -Infinity) return start;
  if (ms === Infinity) return end;
  const sql = 'select seq from images where created_at >= ? order by created_at, seq limit 1';
  return (statements.get(sql, ms)?.seq as number) ?? end;
}

/** The same within one part. */
function firstByHalves(ms: number, start: number, end: number, statements: Statements): number {
  if (ms === -Infinity) return start;
  if (ms === Infinity) return end;
  let [low, high] = [start, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const sql =
      'select seq, created_at from images where seq >= ? and seq < ? order by seq limit 1';
    const row = statements.get(sql, middle, high);
    if (!row || (row.created_at as number) >= ms) high = middle;
    else low = (row.seq as number) + 1;
  }
  return low;
}

/** The last whole millisecond up to a time, and the first from it on; `Date` drops what is finer. */
function milliseconds(time: string): { last: number; next: number } {
  const last = Date.parse(time);
  return { last, next: /\.\d{3}\d*[1-9]/.test(time) ? last + 1 : last };
}
