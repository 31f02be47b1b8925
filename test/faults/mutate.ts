import type { Chance } from './seeded.ts';

/** A damaged copy: bits flipped, bytes overwritten, cut out, cut off, doubled, or of another file. */
export function mutated(bytes: Buffer, others: readonly Buffer[], chance: Chance): Buffer {
  const copy = Buffer.from(bytes);
  const kind = chance.below(7);
  if (kind === 0) return flipped(copy, copy.length, chance);
  if (kind === 1) return flipped(copy, Math.min(copy.length, 600), chance);
  if (kind === 2) return copy.subarray(0, chance.below(copy.length));
  const [from, to] = [chance.below(copy.length), chance.below(copy.length)].sort((a, b) => a - b);
  if (kind === 3) return copy.fill(chance.below(256), from, Math.min(to!, from! + 64));
  if (kind === 4) return Buffer.concat([copy.subarray(0, from), copy.subarray(to)]);
  if (kind === 5) return Buffer.concat([copy.subarray(0, to), copy.subarray(from)]);
  const other = chance.of(others);
  return Buffer.concat([copy.subarray(0, from), other.subarray(chance.below(other.length))]);
}

/** One bit in each of up to ten bytes before `end`. */
function flipped(bytes: Buffer, end: number, chance: Chance): Buffer {
  for (let flip = chance.below(10); flip >= 0; flip -= 1) {
    bytes[chance.below(end)]! ^= 1 << chance.below(8);
  }
  return bytes;
}
