import {
  EXIF_IFD,
  GEO_TAGS,
  GPS_IFD,
  GPS_WITHOUT_PLACE,
  INTEROPERABILITY_IFD,
  MAKER_NOTE,
  SUB_IFDS,
} from './tags.ts';
import { Tiff, TYPE_BYTES } from './tiff.ts';

/** Bytes of a block, from its start. */
export type Place = { start: number; end: number };

/** What the search may still read; Exif that overlaps must not make the work grow. */
export type PlaceBudget = { bytes: number };

type Entry = { tag: number; value: number; bytes: number } & Place;

const HEADER: Place = { start: 0, end: 8 };
const ENTRY_BYTES = 12;
const INLINE_BYTES = 4;
/** A file of a camera holds 3 to 8. */
const DIRECTORIES_MAX = 64;

/**
 * Where a TIFF block that begins here tells a place. Readers take what they can get from damaged
 * directories, so this does as well: what lies outside of the block is passed over. Zeros over these
 * bytes leave a block that tells no place.
 */
export function tiffPlaces(block: Buffer, budget: PlaceBudget): Place[] {
  if (block.length < HEADER.end) return [];
  const tiff = new Tiff(block);
  const places: Place[] = [];
  const notes: Place[] = [];
  let located = false;
  const seen = new Set<number>();
  const directories = [tiff.first];
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    if (at === 0 || seen.has(at)) continue;
    if (seen.add(at).size > DIRECTORIES_MAX) return [HEADER];
    const { entries, next } = entriesOf(tiff, at);
    budget.bytes -= (entries.length + 1) * ENTRY_BYTES;
    if (budget.bytes < 0) return [HEADER];
    if (next !== 0) directories.push(next);
    for (const entry of entries) {
      if (budget.bytes < 0) return [HEADER];
      if (entry.tag === GPS_IFD) {
        const told = gpsPlaces(tiff, entry, budget);
        if (told.length > 0) located = true;
        places.push(...told);
      } else if (GEO_TAGS.has(entry.tag)) {
        places.push({ start: entry.start, end: entry.end }, ...distantValue(tiff, entry));
      } else if (entry.tag === MAKER_NOTE) notes.push(...distantValue(tiff, entry));
      else directories.push(...subdirectories(tiff, entry));
    }
  }
  return located ? [...places, ...notes] : places;
}

/** Those that stand in the block, and where the next directory is. */
function entriesOf(tiff: Tiff, at: number): { entries: Entry[]; next: number } {
  const { length } = tiff.bytes;
  if (at + 2 > length) return { entries: [], next: 0 };
  const stated = tiff.u16(at);
  const count = Math.min(stated, Math.floor((length - at - 2) / ENTRY_BYTES));
  const entries = Array.from({ length: count }, (_, n) => {
    const start = at + 2 + n * ENTRY_BYTES;
    const bytes = tiff.u32(start + 4) * (TYPE_BYTES[tiff.u16(start + 2)] ?? 1);
    const value = bytes <= INLINE_BYTES ? start + 8 : tiff.u32(start + 8);
    return { tag: tiff.u16(start), start, end: start + ENTRY_BYTES, value, bytes };
  });
  const end = at + 2 + stated * ENTRY_BYTES;
  return { entries, next: end + 4 <= length ? tiff.u32(end) : 0 };
}

function subdirectories(tiff: Tiff, { tag, start, value, bytes }: Entry): number[] {
  if (tag === EXIF_IFD || tag === INTEROPERABILITY_IFD) return [tiff.u32(start + 8)];
  if (tag !== SUB_IFDS) return [];
  const inside = Math.min(bytes, tiff.bytes.length - value, DIRECTORIES_MAX * 4);
  const length = Math.max(0, Math.floor(inside / 4));
  return Array.from({ length }, (_, n) => tiff.u32(value + n * 4));
}

/** The pointer, the directory and its values. */
function gpsPlaces(tiff: Tiff, pointer: Entry, budget: PlaceBudget): Place[] {
  const at = tiff.u32(pointer.start + 8);
  if (at === 0) return [];
  const { entries } = entriesOf(tiff, at);
  budget.bytes -= (entries.length + 1) * ENTRY_BYTES;
  const told = entries.some(({ tag, value, bytes }) => {
    if (GPS_WITHOUT_PLACE.has(tag)) return false;
    budget.bytes -= Math.min(bytes, tiff.bytes.length);
    if (budget.bytes < 0) return true;
    return tiff.bytes.subarray(value, value + bytes).some((byte) => byte !== 0);
  });
  if (!told) return [];
  const values = entries.flatMap((entry) => distantValue(tiff, entry));
  const end = at + 2 + entries.length * ENTRY_BYTES;
  return [{ start: pointer.start, end: pointer.end }, { start: at, end }, ...values];
}

/** The value, if it stands elsewhere in the block. */
function distantValue(tiff: Tiff, { value, bytes }: Entry): Place[] {
  const end = Math.min(value + bytes, tiff.bytes.length);
  return bytes > INLINE_BYTES && value < end ? [{ start: value, end }] : [];
}
