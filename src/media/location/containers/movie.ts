import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES } from '../scan.ts';
import type { Box } from './boxes.ts';

/**
 * Movies keep a place as user data at any level (3GPP TS 26.244, §8; QuickTime File Format, "User
 * Data Atoms"), as an item of a metadata list (QuickTime, "Metadata Atoms"), as XMP, or as a track
 * of positions. Movies refer to their samples by offsets into the file, so nothing is moved: a box
 * that holds a place becomes a free box of the same size.
 *
 * Players read a movie further than its damage. So the walk is lenient: a box that ends behind its
 * parent is taken to end with it.
 */

/** The box that holds XMP in files of this family (XMP, part 3, §1.1.4). */
const XMP_UUID = Buffer.from('be7acfcb97a942e89c71999491e3afac', 'hex');
/** Metadata of Canon, with a GPS directory in `CMT4`. */
const CANON_UUID = Buffer.from('85c0b687820f11e08111f4ce462b6a48', 'hex');
const UUID_BYTES = 16;

/** Boxes that state a place, and a compressed movie header, which cannot be searched. */
const PLACE_BOXES = new Set([
  '\xa9xyz',
  '@xyz',
  'loci',
  'gps ',
  'GPS ',
  'gps0',
  'gpsa',
  'udat',
  'GPMF',
  'cmov',
]);
/** Boxes that hold further boxes of interest. */
const HOLDERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'udta', 'moof', 'traf', 'ilst']);
/** Sample entries of tracks that record positions: Google's CAMM, GoPro, Sony. */
const PLACE_SAMPLES = new Set(['camm', 'gpmd', 'rtmd']);
/** Names of metadata items, such as com.apple.quicktime.location.ISO6709. */
const PLACE_KEY = /location|gps|latitude|longitude|altitude|iso6709/i;

/** moov/trak/mdia/minf/stbl/stsd is the deepest path of interest, moov/trak/udta/meta/ilst another. */
const DEPTH_MAX = 8;
/** A movie of a phone has about 200. */
const BOXES_MAX = 20_000;

const HEADER_BYTES = 8;

/** What the search of one file may cost, whatever number of movies it seems to hold. */
export type BoxBudget = { seen: number; freedBytes: number };

export const newBudget = (): BoxBudget => ({ seen: 0, freedBytes: 0 });

function contentEdits(source: ByteSource, parent: Box, budget: BoxBudget, depth: number): Edit[] {
  if (depth > DEPTH_MAX) return [];
  return children(source, parent, budget).flatMap((box) => boxEdits(source, box, budget, depth));
}

/** Of the box and all it holds. Every edit keeps its length; they overlap where boxes do. */
export function boxEdits(source: ByteSource, box: Box, budget: BoxBudget, depth = 0): Edit[] {
  if (PLACE_BOXES.has(box.type)) return [freed(source, box, budget)];
  if (box.type === 'uuid') return uuidEdits(source, box, budget);
  if (box.type === 'XMP_') return xmpEdits(source, box, budget);
  if (box.type === 'meta') return metadataEdits(source, box, budget, depth + 1);
  if (box.type === 'trak' && holdsPlaceTrack(source, box, budget, depth)) {
    return [freed(source, box, budget)];
  }
  return HOLDERS.has(box.type) ? contentEdits(source, box, budget, depth + 1) : [];
}

/** Items of a metadata list, named by an index into `keys`, by their type, or by a `name` box. */
function metadataEdits(source: ByteSource, meta: Box, budget: BoxBudget, depth: number): Edit[] {
  // A full box in ISO files, a plain one in QuickTime files.
  const first = meta.end - meta.start >= 8 ? source.read(meta.start, 8) : Buffer.alloc(8);
  const isPlain = /^[\w ]{4}$/.test(first.toString('latin1', 4, 8)) && first.readUInt32BE() >= 8;
  const start = isPlain ? meta.start : Math.min(meta.start + 4, meta.end);
  const boxes = children(source, { ...meta, start }, budget);
  const keys = boxes.find(({ type }) => type === 'keys');
  const places = keys ? placeKeys(source, keys, budget) : new Set<string>();
  return boxes.flatMap((box) => {
    if (box.type !== 'ilst') return boxEdits(source, box, budget, depth + 1);
    return children(source, box, budget).flatMap((item) => {
      const holds = places.has(item.type) || isNamedPlace(source, item, budget);
      return holds ? [freed(source, item, budget)] : boxEdits(source, item, budget, depth + 1);
    });
  });
}

/** The types of the items that state a place: four bytes that count the keys from 1. */
function placeKeys(source: ByteSource, keys: Box, budget: BoxBudget): Set<string> {
  const places = new Set<string>();
  const index = Buffer.alloc(4);
  const list = { ...keys, start: Math.min(keys.start + 8, keys.end) };
  for (const [n, key] of children(source, list, budget).entries()) {
    index.writeUInt32BE(n + 1);
    if (PLACE_KEY.test(textOf(source, key))) places.add(index.toString('latin1'));
  }
  return places;
}

/** A free-form item of iTunes: `----` with `mean`, `name` and `data`. */
function isNamedPlace(source: ByteSource, item: Box, budget: BoxBudget): boolean {
  if (item.type !== '----') return false;
  const name = children(source, item, budget).find(({ type }) => type === 'name');
  return name !== undefined && PLACE_KEY.test(textOf(source, name));
}

const NAME_MAX_BYTES = 1_024;

function textOf(source: ByteSource, { start, end }: Box): string {
  return source.read(start, Math.min(end - start, NAME_MAX_BYTES)).toString('latin1');
}

function holdsPlaceTrack(
  source: ByteSource,
  track: Box,
  budget: BoxBudget,
  depth: number,
): boolean {
  if (track.type !== 'trak' || depth > DEPTH_MAX) return false;
  let boxes = [track];
  for (const type of ['mdia', 'minf', 'stbl', 'stsd']) {
    boxes = boxes
      .flatMap((box) => children(source, box, budget))
      .filter((box) => box.type === type);
  }
  return boxes.some((descriptions) => {
    const list = { ...descriptions, start: Math.min(descriptions.start + 8, descriptions.end) };
    return children(source, list, budget).some(({ type }) => PLACE_SAMPLES.has(type));
  });
}

function uuidEdits(source: ByteSource, box: Box, budget: BoxBudget): Edit[] {
  if (box.end - box.start < UUID_BYTES) return [];
  const id = source.read(box.start, UUID_BYTES);
  if (id.equals(CANON_UUID)) return [freed(source, box, budget)];
  return id.equals(XMP_UUID) ? xmpEdits(source, box, budget) : [];
}

function xmpEdits(source: ByteSource, box: Box, budget: BoxBudget): Edit[] {
  const { start, end } = box;
  const isPacket = end - start <= METADATA_MAX_BYTES;
  const first = box.type === 'uuid' ? start + UUID_BYTES : start;
  const cleaning = isPacket ? cleanXmp(source.read(first, end - first)) : 'unclear';
  if (cleaning === null) return [];
  if (cleaning === 'unclear') return [freed(source, box, budget)];
  budget.freedBytes += end - start;
  if (budget.freedBytes > source.size) throw new MalformedError('its boxes overlap');
  return [{ offset: first, length: end - first, replacement: cleaning }];
}

function children(source: ByteSource, parent: Box, budget: BoxBudget): Box[] {
  const boxes: Box[] = [];
  let at = parent.start;
  for (let box = boxAt(source, at, parent.end); box; box = boxAt(source, at, parent.end)) {
    boxes.push(box);
    budget.seen += 1;
    if (budget.seen > BOXES_MAX) throw new MalformedError('its movies have too many boxes');
    at = box.end;
  }
  return boxes;
}

/** The box that begins there, cut at `limit`; null: there is none. */
export function boxAt(source: ByteSource, offset: number, limit: number): Box | null {
  if (offset + HEADER_BYTES > limit) return null;
  const head = source.read(offset, HEADER_BYTES);
  let size = head.readUInt32BE();
  let header = HEADER_BYTES;
  if (size === 1 && offset + 16 <= limit) {
    size = Number(source.read(offset + 8, 8).readBigUInt64BE());
    header = 16;
  }
  if (size === 0) size = limit - offset;
  if (size < header) return null;
  const type = head.toString('latin1', 4);
  return { type, offset, start: offset + header, end: Math.min(offset + size, limit) };
}

/** A box of the same size that means nothing. */
function freed(source: ByteSource, { offset, start, end }: Box, budget: BoxBudget): Edit {
  budget.freedBytes += end - offset;
  // Only boxes that overlap can be larger than their file.
  if (budget.freedBytes > source.size) throw new MalformedError('its boxes overlap');
  // A 64-bit size stands behind the type and must stay.
  const sizeBytes = start - offset - HEADER_BYTES;
  const size = source.read(offset + HEADER_BYTES, sizeBytes);
  const content = Buffer.alloc(end - start);
  const replacement = Buffer.concat([Buffer.from('free', 'latin1'), size, content]);
  return { offset: offset + 4, length: replacement.length, replacement };
}
