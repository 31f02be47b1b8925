import { type ByteSource, MalformedError } from '../byte-source.ts';
import { METADATA_MAX_BYTES } from '../scan.ts';
import { type Box, boxesOf, childOf } from './boxes.ts';

/** The items of a `meta` box: what they are (`iinf`) and where they lie (`iloc`), §8.11. */

export type Extent = { offset: number; length: number };
export type Item = { kind: 'exif' | 'xmp' | 'other'; extents: Extent[] };

const XMP_MEDIA_TYPE = 'application/rdf+xml';
const FULL_BOX_BYTES = 4;
/** A picture of 150 megapixels in the smallest usual tiles has 600. */
const EXTENTS_MAX = 65_536;

/** Throws MalformedError for tables that break their form or say where metadata lies indirectly. */
export function itemsOf(source: ByteSource, meta: Box): Item[] {
  const inside = { ...meta, start: meta.start + FULL_BOX_BYTES };
  const info = childOf(source, inside, 'iinf');
  const places = childOf(source, inside, 'iloc');
  if (!info || !places) return [];
  const kinds = itemKinds(source, info);
  const data = childOf(source, inside, 'idat');
  try {
    return itemPlaces(new Fields(contentOf(source, places)), kinds, data);
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedError('its table of items is incomplete');
    throw error;
  }
}

function contentOf(source: ByteSource, { type, start, end }: Box): Buffer {
  if (end - start > METADATA_MAX_BYTES) throw new MalformedError(`its box ${type} is too large`);
  return source.read(start, end - start);
}

function itemKinds(source: ByteSource, info: Box): Map<number, Item['kind']> {
  const kinds = new Map<number, Item['kind']>();
  const countBytes = source.byte(info.start) === 0 ? 2 : 4;
  for (const box of boxesOf(source, info.start + FULL_BOX_BYTES + countBytes, info.end)) {
    if (box.type !== 'infe') continue;
    const entry = contentOf(source, box);
    const version = entry[0]!;
    // Versions 0 and 1 have no type, so nothing of AVIF is written in them.
    if (version !== 2 && version !== 3) continue;
    const idBytes = version === 2 ? 2 : 4;
    const typeAt = FULL_BOX_BYTES + idBytes + 2;
    if (entry.length < typeAt + 4) throw new MalformedError('an item has no type');
    const type = entry.toString('latin1', typeAt, typeAt + 4);
    const mediaType = entry.toString('latin1', typeAt + 4).split('\0')[1];
    const isXmp = type === 'mime' && mediaType === XMP_MEDIA_TYPE;
    const kind = type === 'Exif' ? 'exif' : isXmp ? 'xmp' : 'other';
    kinds.set(entry.readUIntBE(FULL_BOX_BYTES, idBytes), kind);
  }
  return kinds;
}

/** Extents in the file (method 0) or in `idat` (1); in another item (2) only for the picture. */
function itemPlaces(fields: Fields, kinds: Map<number, Item['kind']>, data: Box | undefined) {
  const version = fields.next(1);
  fields.next(3);
  const sizes = fields.next(2);
  const [offsetBytes, lengthBytes, baseBytes] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexBytes = version === 0 ? 0 : sizes & 15;
  const count = fields.next(version < 2 ? 2 : 4);
  const items: Item[] = [];
  let extentsSeen = 0;
  for (let n = 0; n < count; n += 1) {
    const kind = kinds.get(fields.next(version < 2 ? 2 : 4)) ?? 'other';
    const method = version === 0 ? 0 : fields.next(2) & 15;
    fields.next(2);
    const base = fields.next(baseBytes);
    const extentCount = fields.next(2);
    extentsSeen += extentCount;
    if (extentsSeen > EXTENTS_MAX) throw new MalformedError('its items have too many extents');
    const extents: Extent[] = [];
    for (let extent = 0; extent < extentCount; extent += 1) {
      fields.next(indexBytes);
      const offset = base + fields.next(offsetBytes);
      extents.push({ offset, length: fields.next(lengthBytes) });
    }
    const origin = method === 0 ? 0 : method === 1 ? data?.start : undefined;
    if (origin !== undefined) {
      for (const extent of extents) extent.offset += origin;
      // Length 0 means all there is, which would be the picture as well.
      if (kind !== 'other' && extents.some(({ length }) => length === 0)) {
        throw new MalformedError('a block of metadata has no length');
      }
      items.push({ kind, extents });
    } else if (kind !== 'other')
      throw new MalformedError('a block of metadata lies within another item');
  }
  return items;
}

/** Reads unsigned numbers one after another; throws RangeError past the end. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(length: number): number {
    if (length === 0) return 0;
    const at = this.#at;
    this.#at += length;
    if (length < 8) return this.#bytes.readUIntBE(at, length);
    return Number(this.#bytes.readBigUInt64BE(at));
  }
}
