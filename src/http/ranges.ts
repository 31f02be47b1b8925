import type { ByteRange } from '../contract/storage.ts';

/** More ranges than a reader of images has use for; further ones get the whole (RFC 9110, 14.2). */
const RANGES_MAX = 8;

/**
 * The ranges that a Range header asks for of a content of `size` bytes, at least one.
 * `whole`: the header is absent, malformed, asks for too much, or is of another unit; RFC 9110
 * lets it be ignored. `unsatisfiable`: all ranges begin past the end.
 */
export function parseRanges(
  header: string | undefined,
  size: number,
): ByteRange[] | 'whole' | 'unsatisfiable' {
  const set = header && /^bytes=(.+)$/i.exec(header)?.[1];
  if (!set) return 'whole';
  const specs = set
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length === 0 || specs.length > RANGES_MAX) return 'whole';
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const [, from, to] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (from === undefined || to === undefined || (from === '' && to === '')) return 'whole';
    const suffix = from === '';
    const first = suffix ? Math.max(0, size - Number(to)) : Number(from);
    const last = suffix || to === '' ? size - 1 : Math.min(Number(to), size - 1);
    if (!suffix && to !== '' && Number(to) < Number(from)) return 'whole';
    if (first <= last) ranges.push({ first, last });
  }
  if (ranges.length === 0) return 'unsatisfiable';
  const asked = ranges.reduce((sum, range) => sum + lengthOf(range), 0);
  // Ranges that overlap so far are cheaper as the whole, and could only be meant to cost.
  return asked > size ? 'whole' : ranges;
}

export function lengthOf(range: ByteRange): number {
  return range.last - range.first + 1;
}

/** RFC 9110, 14.4 */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.first}-${range.last}/${size}`;
}

/** A multipart/byteranges body (RFC 9110, 14.6): what stands before each range, and at the end. */
export function partHeads(ranges: readonly ByteRange[], size: number, mediaType: string) {
  const boundary = crypto.randomUUID();
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${mediaType}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
    ),
  );
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const length = ranges.reduce(
    (sum, range, index) => sum + heads[index]!.length + lengthOf(range),
    end.length,
  );
  return { type: `multipart/byteranges; boundary=${boundary}`, heads, end, length };
}
