import type { Log } from './log.ts';

/** Messages that nobody awaited or could read are news to an operator; the others are not. */
const UNUSUAL = new Set(['late', 'malformed', 'expired', 'dead']);

/**
 * Counts messages in the log. Of the unusual ones the first has a line, the second, the fourth, the
 * eighth: whoever sends a million of them does not fill the disk.
 */
export function countInLog(log: Log): (what: string, eventType: string) => void {
  const counts = new Map<string, number>();
  return (what, eventType) => {
    const key = `${what} ${eventType}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    const facts = { what, event_type: eventType, count };
    if (UNUSUAL.has(what) && isPowerOfTwo(count)) log.warn(facts, 'hub message');
    else log.debug(facts, 'hub message');
  };
}

function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
