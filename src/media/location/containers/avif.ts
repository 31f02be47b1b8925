import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import { minimalExif, readExif, withoutPrefix, withTiff } from '../metadata/exif.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES, type Scan } from '../scan.ts';
import { type Box, boxesOf } from './boxes.ts';
import { type Extent, type Item, itemsOf } from './items.ts';
import { boxEdits, newBudget } from './movie.ts';
import { trailerEdits } from './trailer.ts';

/**
 * AVIF keeps metadata as items beside those of the picture, found by offsets into the file (ISO/IEC
 * 14496-12, §8.11). So nothing is moved: what holds location is overwritten where it stands.
 */

/** Top-level boxes of the standard without metadata; others, such as Google's `mpvd`, hold films. */
const WITHOUT_METADATA = new Set(['ftyp', 'mdat', 'free', 'skip', 'sidx', 'styp']);
const EMPTY_PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>';
const MOVIE_BOXES = new Set(['meta', 'moov', 'moof', 'udta', 'uuid']);
/** An image has one of each. */
const METADATA_ITEMS_MAX = 32;

export function scanAvif(source: ByteSource): Scan {
  const edits: Edit[] = [];
  const budget = newBudget();
  for (const box of boxesOf(source, 0, source.size)) {
    if (box.type === 'meta') edits.push(...itemEdits(source, box));
    if (MOVIE_BOXES.has(box.type)) edits.push(...boxEdits(source, box, budget));
    else if (!WITHOUT_METADATA.has(box.type)) {
      edits.push(...trailerEdits(source, box.start, box.end));
    }
  }
  edits.sort((one, other) => one.offset - other.offset);
  const overlap = edits.some((edit, n) => n > 0 && edit.offset < endOf(edits[n - 1]!));
  if (overlap) throw new MalformedError('its blocks of metadata overlap');
  return { edits, frames: 1, end: source.size };
}

function itemEdits(source: ByteSource, meta: Box): Edit[] {
  const items = itemsOf(source, meta);
  const metadata = items.filter(({ kind }) => kind !== 'other');
  if (metadata.length > METADATA_ITEMS_MAX)
    throw new MalformedError('it has too many blocks of metadata');
  const edits = metadata.flatMap(({ kind, extents }) => {
    const bytes = extents.reduce((sum, { length }) => sum + length, 0);
    const wiped =
      bytes > METADATA_MAX_BYTES ? Buffer.alloc(0) : withoutLocation(source, kind, extents);
    return wiped ? scattered(extents, wiped) : [];
  });
  // Bytes that are picture as well cannot be overwritten.
  for (const { kind, extents } of items) {
    if (kind !== 'other') continue;
    for (const { offset, length } of extents) {
      if (edits.some((edit) => edit.offset < offset + length && offset < endOf(edit))) {
        throw new MalformedError('its metadata and its picture share bytes');
      }
    }
  }
  return edits;
}

/** What is written over the item (the rest becomes zeros); null: it holds no location. */
function withoutLocation(source: ByteSource, kind: Item['kind'], extents: Extent[]) {
  const block = Buffer.concat(extents.map(({ offset, length }) => source.read(offset, length)));
  if (kind === 'xmp') {
    const cleaning = cleanXmp(block);
    if (cleaning !== 'unclear') return cleaning;
    return Buffer.from(EMPTY_PACKET.padEnd(block.length), 'latin1').subarray(0, block.length);
  }
  // The offset of the TIFF header, counted from behind itself (ISO/IEC 23008-12, §A.2.1).
  const start = block.length >= 4 ? 4 + block.readUInt32BE() : block.length;
  const { cleaning, orientation } = readExif(withoutPrefix(block.subarray(start)));
  if (cleaning === null) return null;
  if (cleaning !== 'unclear') return withTiff(block, cleaning);
  return Buffer.concat([Buffer.alloc(4), minimalExif(orientation)]);
}

/** Lays the bytes over the extents in turn, zeros over what is left of them. */
function scattered(extents: Extent[], bytes: Buffer): Edit[] {
  let used = 0;
  return extents.map(({ offset, length }) => {
    const replacement = Buffer.alloc(length);
    used += bytes.copy(replacement, 0, used);
    return { offset, length, replacement };
  });
}

const endOf = ({ offset, length }: Edit) => offset + length;
