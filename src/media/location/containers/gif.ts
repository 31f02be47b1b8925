import type { Edit } from '../../inspector.ts';
import { type ByteSource, CutShortError, MalformedError } from '../byte-source.ts';
import type { Cleaning } from '../metadata/cleaning.ts';
import { cleanExif } from '../metadata/exif.ts';
import { cleanIptc } from '../metadata/iptc.ts';
import { cleanPhotoshop } from '../metadata/photoshop.ts';
import { holdsPlace } from '../metadata/place.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES, NOTHING, type Scan, type Size } from '../scan.ts';

/** GIF89a: a header, then blocks up to the trailer, each by its first byte. */

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;
const TRAILER_BYTES = Buffer.from([TRAILER]);
const GRAPHIC_CONTROL = 0xf9;
const APPLICATION = 0xff;
const APPLICATION_ID_BYTES = 11;
const COLOUR_TABLE_FLAG = 0x80;

/** What of an application extension is looked at, by its identifier. */
const APPLICATIONS: Record<string, (source: ByteSource, start: number, end: number) => Cleaning> = {
  'XMP DataXMP': cleanBare,
  // So ImageMagick keeps IPTC.
  MGK8BIM0000: (source, start, end) =>
    cleanJoined(source, start, end, (data) => cleanPhotoshop(data, cleanExif)),
  MGKIPTC0000: (source, start, end) => cleanJoined(source, start, end, cleanIptc),
};

/**
 * Strict about what stands between blocks: without them a part is missing. The trailer itself is
 * no part of the picture, nor are zeros in its place.
 */
export function scanGif(source: ByteSource): Scan {
  const screen = source.read(6, 4);
  const canvas = { width: screen.readUInt16LE(0), height: screen.readUInt16LE(2) };
  const reach = { ...canvas };
  const edits: Edit[] = [];
  let frames = 0;
  // An extension that says how the next frame is shown.
  let announced = false;
  let at = 13 + colourTableBytes(source.byte(10));
  for (;;) {
    const offset = at;
    if (frames > 0 && !announced && onlyZeros(source, at)) {
      const unended = { at, tail: TRAILER_BYTES, why: 'it has no end' };
      return { edits, frames, end: at, canvas, reach, unended };
    }
    const introducer = source.byte(at);
    if (introducer === TRAILER) return { edits, frames, end: at + 1, canvas, reach };
    if (introducer === IMAGE) {
      frames += 1;
      announced = false;
      extend(reach, source.read(at + 1, 8));
      // Browsers enlarge a screen that is too small for the first frame, and no other.
      if (frames === 1) extend(canvas, source.read(at + 1, 8));
      const flags = source.byte(at + 9);
      at = skipSubBlocks(source, at + 11 + colourTableBytes(flags));
      // The mark that ends the data of a frame may be missing with the trailer.
      if (at > source.size) {
        const tail = Buffer.concat([Buffer.alloc(1), TRAILER_BYTES]);
        const why = `pixels of frame ${frames} are missing`;
        const end = source.size;
        return { edits, frames, end, canvas, reach, unended: { at: end, tail, why } };
      }
    } else if (introducer === EXTENSION) {
      announced = source.byte(at + 1) === GRAPHIC_CONTROL;
      at = skipSubBlocks(source, at + 2);
      if (at > source.size) throw new CutShortError('it ends within an extension block');
      edits.push(...extensionEdits(source, offset, at));
    } else {
      throw new MalformedError(`no GIF block begins with the byte ${introducer} at ${offset}`);
    }
  }
}

function extend(size: Size, rectangle: Buffer): void {
  const [left, top, width, height] = [0, 2, 4, 6].map((at) => rectangle.readUInt16LE(at));
  size.width = Math.max(size.width, left! + width!);
  size.height = Math.max(size.height, top! + height!);
}

/** Whether nothing else follows, or nothing at all. */
function onlyZeros(source: ByteSource, start: number): boolean {
  for (let at = start; at < source.size; at += 1) if (source.byte(at) !== 0) return false;
  return true;
}

function extensionEdits(source: ByteSource, offset: number, end: number): Edit[] {
  const label = source.byte(offset + 1);
  if (label === GRAPHIC_CONTROL) return [];
  const isApplication = label === APPLICATION && source.byte(offset + 2) === APPLICATION_ID_BYTES;
  const start = isApplication ? offset + 3 + APPLICATION_ID_BYTES : offset + 2;
  const id = isApplication ? source.read(offset + 3, APPLICATION_ID_BYTES).toString('latin1') : '';
  const clean = APPLICATIONS[id];
  const isTooLarge = clean !== undefined && end - start > METADATA_MAX_BYTES;
  const cleaning = isTooLarge ? 'unclear' : (clean ?? cleanOther)(source, start, end);
  if (cleaning === null) return [];
  if (cleaning === 'unclear') return [{ offset, length: end - offset, replacement: NOTHING }];
  return [{ offset: start, length: end - start, replacement: cleaning }];
}

/**
 * The packet stands bare (XMP, part 3, §1.1.2): its bytes are read as sub-blocks only to skip it.
 * Whatever they are, the skip ends in the trailer behind the packet, unless a writer did cut the
 * packet into sub-blocks.
 */
function cleanBare(source: ByteSource, start: number, end: number): Cleaning {
  const cleaning = cleanXmp(source.read(start, end - start));
  if (!(cleaning instanceof Buffer)) return cleaning;
  let at = 0;
  while (at < cleaning.length && cleaning[at] !== 0) at += 1 + cleaning[at]!;
  return at === cleaning.length - 1 ? cleaning : 'unclear';
}

/** A comment, or the data of an application of no known kind. */
function cleanOther(source: ByteSource, start: number, end: number): Cleaning {
  if (holdsPlace(source.read(start, end - start))) return 'unclear';
  return cleanJoined(source, start, end, (data) => (holdsPlace(data) ? 'unclear' : null));
}

function colourTableBytes(flags: number): number {
  return flags & COLOUR_TABLE_FLAG ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

/** Behind the sub-blocks and their end; past the end of the file when only that end is missing. */
function skipSubBlocks(source: ByteSource, start: number): number {
  let at = start;
  while (at < source.size && source.byte(at) !== 0) at += 1 + source.byte(at);
  if (at > source.size) throw new CutShortError('it ends within the data of a frame');
  return at + 1;
}

/** Cleans what the sub-blocks hold together; they keep their lengths. */
function cleanJoined(
  source: ByteSource,
  start: number,
  end: number,
  clean: (data: Buffer) => Cleaning,
): Cleaning {
  const blocks = Buffer.from(source.read(start, end - start));
  const parts: Buffer[] = [];
  for (let at = 0; at < blocks.length; at += 1 + blocks[at]!) {
    parts.push(blocks.subarray(at + 1, at + 1 + blocks[at]!));
  }
  const cleaning = clean(Buffer.concat(parts));
  if (!(cleaning instanceof Buffer)) return cleaning;
  let used = 0;
  for (const part of parts) used += cleaning.copy(part, 0, used, used + part.length);
  return blocks;
}
