import type { Cleaning } from './cleaning.ts';
import { cleanIptc } from './iptc.ts';
import { cleanPhotoshop } from './photoshop.ts';
import { holdsPlace } from './place.ts';
import {
  EXIF_IFD,
  GEO_TAGS,
  GPS_IFD,
  GPS_WITHOUT_PLACE,
  INTEROPERABILITY_IFD,
  MAKER_NOTE,
  ORIENTATION,
  SUB_IFDS,
  THUMBNAIL_BYTES,
  THUMBNAIL_OFFSET,
} from './tags.ts';
import { type Entry, Tiff } from './tiff.ts';
import { cleanXmp } from './xmp.ts';

/**
 * Exif is a TIFF file (Exif 2.32, §4.5). Where a GPS directory tells a place, its entries and their
 * values become zeros, the entry that points to it is taken out of its directory, and everything
 * else keeps its offset. Vendor notes may repeat the place in forms that nobody has listed, so they
 * go with it, and so does a thumbnail that tells a place of its own. A block that embeds another block
 * with a place elsewhere goes as a whole.
 */

/** Values that are blocks of metadata of another kind. */
const BLOCKS: Record<number, (block: Buffer) => Cleaning> = {
  700: cleanXmp,
  33723: cleanIptc,
  34377: (block) => cleanPhotoshop(block),
};
/** Exif defines 32. */
const GPS_ENTRIES_MAX = 64;
/** A file of a camera holds 3 to 8. */
const DIRECTORIES_MAX = 64;
/** A thumbnail has one block of each kind. */
const EMBEDDED_MAX = 16;

export const EXIF_PREFIX = Buffer.from('Exif\0\0', 'latin1');
const XMP_PREFIX = Buffer.from('http://ns.adobe.com/xap/1.0/\0', 'latin1');
const PHOTOSHOP_PREFIX = Buffer.from('Photoshop 3.0\0', 'latin1');

export type Exif = {
  cleaning: Cleaning;
  /** 1–8, by which the viewer turns the image; 1: as it is. */
  orientation: number;
};

/** Reads a TIFF block, without the prefix. */
export function readExif(block: Buffer): Exif {
  const exif = readOnce(block);
  if (embedsPlace(exif.cleaning instanceof Buffer ? exif.cleaning : block))
    exif.cleaning = 'unclear';
  else if (exif.cleaning instanceof Buffer) {
    // What was taken for one thing may have hidden another.
    const again = readOnce(exif.cleaning);
    const same = again.cleaning === null && again.orientation === exif.orientation;
    if (!same) exif.cleaning = 'unclear';
  }
  return exif;
}

/** The TIFF block of Exif that may begin with its prefix. */
export function withoutPrefix(block: Buffer): Buffer {
  const prefixed = block.subarray(0, EXIF_PREFIX.length).equals(EXIF_PREFIX);
  return prefixed ? block.subarray(EXIF_PREFIX.length) : block;
}

/** A block of Exif that may begin with its prefix. */
export function cleanExif(block: Buffer): Cleaning {
  const { cleaning } = readExif(withoutPrefix(block));
  return cleaning instanceof Buffer ? withTiff(block, cleaning) : cleaning;
}

/** The block with its TIFF part, the end of it, replaced by one of the same length. */
export function withTiff(block: Buffer, tiff: Buffer): Buffer {
  return Buffer.concat([block.subarray(0, block.length - tiff.length), tiff]);
}

/** The smallest block that says nothing but the orientation. */
export function minimalExif(orientation: number): Buffer {
  const tiff = Buffer.from(
    'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0',
    'latin1',
  );
  tiff.writeUInt16BE(orientation, 18);
  return tiff;
}

/** The metadata of a thumbnail or preview in the block; each is read once, so the search ends. */
function embedsPlace(block: Buffer): boolean {
  let seen = 0;
  const any = (prefix: Buffer, read: (rest: Buffer) => Cleaning) => {
    for (let at = block.indexOf(prefix); at >= 0; at = block.indexOf(prefix, at + 1)) {
      seen += 1;
      if (seen > EMBEDDED_MAX || read(block.subarray(at + prefix.length)) !== null) return true;
    }
    return false;
  };
  return (
    any(EXIF_PREFIX, (rest) => readOnce(rest).cleaning) ||
    any(XMP_PREFIX, cleanXmp) ||
    any(PHOTOSHOP_PREFIX, (rest) => cleanPhotoshop(rest))
  );
}

function readOnce(block: Buffer): Exif {
  const exif: Exif = { cleaning: null, orientation: 1 };
  try {
    exif.cleaning = cleanTiff(new Tiff(block), exif);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    exif.cleaning = 'unclear';
  }
  return exif;
}

/** Notes the orientation as far as it gets; throws RangeError for what cannot be read. */
function cleanTiff(tiff: Tiff, exif: Exif): Cleaning {
  const directories = [tiff.first];
  const notes: Entry[] = [];
  let located = false;
  const seen = new Set<number>();
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    if (seen.has(at)) continue;
    if (seen.add(at).size > DIRECTORIES_MAX) throw new RangeError('too many directories');
    const { entries, next } = tiff.directory(at);
    for (const entry of entries) {
      if (entry.tag === GPS_IFD) {
        if (cleanGps(tiff, entry)) located = true;
      } else if (entry.tag === MAKER_NOTE) notes.push(entry);
      else if (GEO_TAGS.has(entry.tag)) tiff.remove(entry);
      else if (BLOCKS[entry.tag]) cleanBlock(tiff, entry, BLOCKS[entry.tag]!);
      else tiff.keepValue(entry);
      directories.push(...subdirectories(tiff, entry));
      if (entry.tag === ORIENTATION && at === tiff.first) {
        const turn = tiff.u16(entry.offset + 8);
        if (turn >= 1 && turn <= 8) exif.orientation = turn;
      }
    }
    keepThumbnail(tiff, entries);
    if (next !== 0) directories.push(next);
  }
  for (const note of notes) {
    if (located) tiff.remove(note);
    else tiff.keepValue(note);
  }
  return tiff.cleaned();
}

function subdirectories(tiff: Tiff, { tag, offset, value, count }: Entry): number[] {
  if (tag === EXIF_IFD || tag === INTEROPERABILITY_IFD) return [tiff.u32(offset + 8)];
  if (tag !== SUB_IFDS) return [];
  const length = Math.min(count, DIRECTORIES_MAX);
  return Array.from({ length }, (_, n) => tiff.u32(value + n * 4));
}

/** Unless it tells a place: then it goes. */
function keepThumbnail(tiff: Tiff, entries: Entry[]): void {
  const [offset, length] = [THUMBNAIL_OFFSET, THUMBNAIL_BYTES].map((tag) =>
    entries.find((entry) => entry.tag === tag),
  );
  if (!offset || !length) return;
  const [start, bytes] = [tiff.u32(offset.offset + 8), tiff.u32(length.offset + 8)];
  const inside = Math.max(0, Math.min(bytes, tiff.bytes.length - start));
  const thumbnail = tiff.block({ ...offset, value: start, bytes: inside });
  if (!holdsPlace(thumbnail) && !embedsPlace(thumbnail)) {
    tiff.keep(start, bytes);
    return;
  }
  tiff.wipe(start, inside);
  for (const entry of [offset, length]) tiff.remove({ ...entry, bytes: 0 });
}

function cleanBlock(tiff: Tiff, entry: Entry, clean: (block: Buffer) => Cleaning): void {
  const cleaning = clean(tiff.block(entry));
  if (cleaning === 'unclear') tiff.remove(entry);
  else tiff.keepValue(entry);
  if (cleaning instanceof Buffer) tiff.overwrite(entry.value, cleaning);
}

/** True when the directory tells a place; then it is marked for removal. */
function cleanGps(tiff: Tiff, pointer: Entry): boolean {
  if (pointer.count !== 1) throw new RangeError('a pointer to several GPS directories');
  const at = tiff.u32(pointer.offset + 8);
  // Writers that prepare a directory and never write it leave the pointer at zero.
  if (at === 0) return false;
  const { entries, length, next } = tiff.directory(at, false);
  if (entries.length > GPS_ENTRIES_MAX) throw new RangeError('too many GPS entries');
  const values = entries.filter(({ bytes }) => bytes > 4);
  const told = entries.some(
    ({ tag, value, bytes }) =>
      !GPS_WITHOUT_PLACE.has(tag) &&
      tiff.bytes.subarray(value, value + bytes).some((byte) => byte !== 0),
  );
  // Some writers leave out the offset of a next directory; then values stand in its place.
  const nextAt = at + length;
  const isValue = values.some(({ value }) => value >= nextAt && value < nextAt + 4);
  if (next !== 0 && !isValue && !told) tiff.keep(nextAt, 4);
  if (next !== 0 && !isValue && told) throw new RangeError('a second GPS directory');
  const stretches = [{ value: at, bytes: length }, ...values];
  for (const { value, bytes } of stretches) {
    if (told) tiff.wipe(value, bytes);
    else tiff.keep(value, bytes);
  }
  if (told) tiff.remove({ ...pointer, bytes: 0 });
  return told;
}
