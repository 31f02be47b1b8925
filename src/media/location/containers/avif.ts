import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import { minimalExif, readExif, withoutPrefix } from '../metadata/exif.ts';
import { xmpHasLocation } from '../metadata/xmp-iptc.ts';
import { METADATA_MAX_BYTES, type Scan } from '../scan.ts';
import { type Box, boxesOf, childOf } from './boxes.ts';
import { type Extent, type Item, itemsOf } from './items.ts';

/**
 * AVIF keeps metadata as items beside those of the picture, found by offsets into the file (ISO/IEC
 * 14496-12, §8.11). So nothing is moved: what holds location is overwritten where it stands.
 */

/** The top-level box that holds XMP in files of this family (XMP, part 3, §1.1.4). */
const XMP_UUID = Buffer.from('be7acfcb97a942e89c71999491e3afac', 'hex');
/** User data of a movie with a place in it (3GPP TS 26.244, §8.2.3; QuickTime). */
const PLACE_BOXES = new Set(['loci', '\xa9xyz']);
const EMPTY_PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>';
/** An image has one of each. */
const METADATA_ITEMS_MAX = 32;

export function scanAvif(source: ByteSource): Scan {
  const edits: Edit[] = [];
  for (const box of boxesOf(source, 0, source.size)) {
    if (box.type === 'meta') edits.push(...itemEdits(source, box));
    else if (box.type === 'uuid' && holdsXmpPlace(source, box)) edits.push(freed(box));
    else if (box.type === 'moov') edits.push(...movieEdits(source, box));
  }
  edits.sort((one, other) => one.offset - other.offset);
  const overlap = edits.some((edit, n) => n > 0 && edit.offset < endOf(edits[n - 1]!));
  if (overlap) throw new MalformedError('its blocks of metadata overlap');
  return { edits, frames: 1 };
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
    if (!xmpHasLocation(block)) return null;
    return Buffer.from(EMPTY_PACKET.padEnd(block.length), 'latin1').subarray(0, block.length);
  }
  // The offset of the TIFF header, counted from behind itself (ISO/IEC 23008-12, §A.2.1).
  const start = block.length >= 4 ? 4 + block.readUInt32BE() : block.length;
  const { location, orientation } = readExif(withoutPrefix(block.subarray(start)));
  if (!location) return null;
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

function movieEdits(source: ByteSource, movie: Box): Edit[] {
  const userData = childOf(source, movie, 'udta');
  if (!userData) return [];
  const places = [...boxesOf(source, userData.start, userData.end)];
  return places.filter(({ type }) => PLACE_BOXES.has(type)).map(freed);
}

function holdsXmpPlace(source: ByteSource, { start, end }: Box): boolean {
  const length = end - start;
  if (length < XMP_UUID.length || !source.read(start, XMP_UUID.length).equals(XMP_UUID))
    return false;
  return length > METADATA_MAX_BYTES || xmpHasLocation(source.read(start, length));
}

/** A box of the same size that means nothing. */
function freed({ offset, start, end }: Box): Edit {
  const replacement = Buffer.alloc(end - (offset + 4));
  replacement.write('free', 'latin1');
  // A 64-bit size stands behind the type and must stay.
  const sizeBytes = start - offset - 8;
  if (sizeBytes > 0) replacement.writeBigUInt64BE(BigInt(end - offset), 4);
  return { offset: offset + 4, length: replacement.length, replacement };
}

const endOf = ({ offset, length }: Edit) => offset + length;
