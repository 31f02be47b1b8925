/** Longer texts are no misspelt names. */
const TEXT_MAX_CHARACTERS = 100;
const DISTANCE_MAX = 3;
const PREFIX_MIN_CHARACTERS = 3;
/** Candidates that are compared letter by letter (about 10 ms): a vocabulary may have 100,000 names. */
const COMPARED_MAX = 5_000;

/**
 * What was probably meant: the candidate that differs from `text` by the fewest letters, else one that
 * begins with it. Undefined when none is close.
 */
export function closest(text: string, candidates: Iterable<string>): string | undefined {
  if (text.length > TEXT_MAX_CHARACTERS) return undefined;
  let found: string | undefined;
  let longer: string | undefined;
  // One wrong letter in four.
  let bound = Math.min(DISTANCE_MAX, Math.max(1, Math.floor(text.length / 4))) + 1;
  let compared = 0;
  for (const candidate of candidates) {
    if (text.length >= PREFIX_MIN_CHARACTERS && candidate.startsWith(text)) longer ??= candidate;
    if (Math.abs(candidate.length - text.length) >= bound) continue;
    if (++compared > COMPARED_MAX) continue;
    const distance = distanceBetween(text, candidate, bound);
    if (distance >= bound) continue;
    bound = distance;
    found = candidate;
  }
  return found ?? longer;
}

/**
 * Letters to add, drop, change, or swap with their neighbour (optimal string alignment), up to a bound:
 * only cells so near the diagonal are looked at.
 */
function distanceBetween(a: string, b: string, bound: number): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const from = Math.max(1, i - bound);
    const to = Math.min(b.length, i + bound);
    const row: number[] = new Array(b.length + 1).fill(bound);
    row[from - 1] = from === 1 ? i : bound;
    let least = row[from - 1]!;
    for (let j = from; j <= to; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1);
      row[j] = cost;
      if (cost < least) least = cost;
    }
    if (least >= bound) return bound;
    before = last;
    last = row;
  }
  return last[b.length]!;
}
