import type { Cleaning } from './cleaning.ts';

/**
 * A TIFF block (TIFF 6.0, §2): directories of 12-byte entries, whose values stand in the entry or
 * elsewhere in the block. Entries can be taken out of their directory; no other byte moves.
 */

export type Entry = {
  offset: number;
  directory: number;
  tag: number;
  count: number;
  /** Where the value stands, and how many bytes it has. */
  value: number;
  bytes: number;
};

type Stretch = { start: number; end: number };

/** A file of a camera holds about 100. */
const ENTRIES_MAX = 10_000;
const ENTRY_BYTES = 12;
const INLINE_BYTES = 4;
/** Bytes of one value by TIFF type; an unknown type is taken as a byte. */
export const TYPE_BYTES = [1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];

/** Throws RangeError for whatever lies outside of the block. */
export class Tiff {
  readonly bytes: Buffer;
  readonly first: number;
  readonly #little: boolean;
  #entries = 0;
  #blockBytes = 0;
  readonly #removed = new Map<number, Set<number>>();
  readonly #kept: Stretch[] = [];
  readonly #wiped: Stretch[] = [];
  readonly #written: { offset: number; bytes: Buffer }[] = [];

  constructor(bytes: Buffer) {
    const order = bytes.toString('latin1', 0, 4);
    if (order !== 'II*\0' && order !== 'MM\0*') throw new RangeError('no TIFF header');
    this.bytes = bytes;
    this.#little = order === 'II*\0';
    this.first = this.u32(4);
    this.keep(0, 8);
  }

  u16(at: number): number {
    return this.#little ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  u32(at: number): number {
    return this.#little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  /** The entries, the bytes that they take with their number, and where the next directory is. */
  directory(at: number, kept = true) {
    const count = this.u16(at);
    this.#entries += count;
    if (this.#entries > ENTRIES_MAX) throw new RangeError('too many entries');
    const length = 2 + count * ENTRY_BYTES;
    if (kept) this.keep(at, length);
    const entries = Array.from({ length: count }, (_, n) => this.#entry(at, n));
    const end = at + length;
    return { entries, length, next: end + 4 <= this.bytes.length ? this.u32(end) : 0 };
  }

  #entry(directory: number, n: number): Entry {
    const offset = directory + 2 + n * ENTRY_BYTES;
    const count = this.u32(offset + 4);
    const bytes = count * (TYPE_BYTES[this.u16(offset + 2)] ?? 1);
    const value = bytes <= INLINE_BYTES ? offset + 8 : this.u32(offset + 8);
    return { offset, directory, tag: this.u16(offset), count, value, bytes };
  }

  /** A value to read as a whole. Values that share bytes must not make the work grow. */
  block({ value, bytes }: Entry): Buffer {
    this.#blockBytes += bytes;
    if (this.#blockBytes > this.bytes.length) throw new RangeError('values overlap');
    return this.bytes.subarray(value, value + bytes);
  }

  /** These bytes belong to what stays: a block in which they would be wiped is unclear. */
  keep(start: number, length: number): void {
    this.#kept.push({ start, end: start + length });
  }

  keepValue({ value, bytes }: Entry): void {
    if (bytes > INLINE_BYTES) this.keep(value, bytes);
  }

  wipe(start: number, length: number): void {
    if (start + length > this.bytes.length) throw new RangeError('a value outside of the block');
    this.#wiped.push({ start, end: start + length });
  }

  overwrite(offset: number, bytes: Buffer): void {
    this.#written.push({ offset, bytes });
  }

  /** Takes the entry out of its directory, and wipes its value if that stands elsewhere. */
  remove({ offset, directory, value, bytes }: Entry): void {
    const removed = this.#removed.get(directory) ?? new Set();
    this.#removed.set(directory, removed.add(offset));
    if (bytes > INLINE_BYTES) this.wipe(value, bytes);
  }

  /** The block after all that was asked; null: nothing was. */
  cleaned(): Cleaning {
    if (this.#removed.size === 0 && this.#written.length === 0) return null;
    if (this.#wiped.some((wiped) => this.#isShared(wiped))) return 'unclear';
    const result = Buffer.from(this.bytes);
    for (const { start, end } of this.#wiped) result.fill(0, start, end);
    for (const { offset, bytes } of this.#written) bytes.copy(result, offset);
    for (const [directory, removed] of this.#removed) {
      const left = this.u16(directory) - removed.size;
      // A file without entries is none.
      if (left === 0 && directory === this.first) return 'unclear';
      const end = directory + 2 + this.u16(directory) * ENTRY_BYTES;
      if (this.#isShared({ start: directory, end })) return 'unclear';
      this.#shorten(result, directory, removed);
    }
    return result;
  }

  /** Whether other things that stay have bytes of the stretch. */
  #isShared(wiped: Stretch): boolean {
    return this.#kept.some(
      ({ start, end }) =>
        start < wiped.end && wiped.start < end && !(start === wiped.start && end === wiped.end),
    );
  }

  /** Moves the entries that stay, and the offset of the next directory, to the front. */
  #shorten(result: Buffer, directory: number, removed: Set<number>): void {
    const count = this.u16(directory);
    const end = directory + 2 + count * ENTRY_BYTES;
    const next = Buffer.alloc(4);
    this.bytes.copy(next, 0, end, end + 4);
    let at = directory + 2;
    for (let offset = at; offset < end; offset += ENTRY_BYTES) {
      if (removed.has(offset)) continue;
      result.copy(result, at, offset, offset + ENTRY_BYTES);
      at += ENTRY_BYTES;
    }
    result.fill(0, at, end);
    next.copy(result, at);
    const left = count - removed.size;
    if (this.#little) result.writeUInt16LE(left, directory);
    else result.writeUInt16BE(left, directory);
  }
}
