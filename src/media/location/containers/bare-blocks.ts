import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import { TIFF_HEADERS } from '../metadata/place.ts';
import { tiffPlaces } from '../metadata/tiff-places.ts';
import { cleanXmp } from '../metadata/xmp.ts';

/** Exif and XMP that stand behind an image in no container, or in one of another format. */

/** Exif of one JPEG segment; larger blocks have their directories in front as well. */
const EXIF_MAX_BYTES = 128 * 1024;
const PACKET_MAX_BYTES = 256 * 1024;
/** More than any writer makes; each is read once. */
const BLOCKS_MAX = 1_000;
const PACKETS = ['x:xmpmeta', 'x:xapmeta', 'rdf:RDF'].map((name) => ({
  opening: Buffer.from(`<${name}`),
  closing: Buffer.from(`</${name}>`),
}));

/** Every edit keeps its length; they overlap where blocks do. */
export function bareBlockEdits(source: ByteSource, start: number, end: number): Edit[] {
  return [...exifEdits(source, start, end), ...packetEdits(source, start, end)];
}

function* hits(source: ByteSource, mark: Buffer, start: number, end: number) {
  let seen = 0;
  for (let at = source.indexOf(mark, start); at >= 0; at = source.indexOf(mark, at + 1)) {
    if (at + mark.length > end) return;
    seen += 1;
    if (seen > BLOCKS_MAX) throw new MalformedError('it has too many blocks of metadata');
    yield at;
  }
}

function exifEdits(source: ByteSource, start: number, end: number): Edit[] {
  const edits: Edit[] = [];
  const budget = { bytes: 2 * (end - start) };
  for (const header of TIFF_HEADERS) {
    for (const at of hits(source, header, start, end)) {
      const block = source.read(at, Math.min(EXIF_MAX_BYTES, end - at));
      for (const place of tiffPlaces(block, budget)) {
        const length = place.end - place.start;
        edits.push({ offset: at + place.start, length, replacement: Buffer.alloc(length) });
      }
    }
  }
  return edits;
}

function packetEdits(source: ByteSource, start: number, end: number): Edit[] {
  const edits: Edit[] = [];
  for (const { opening, closing } of PACKETS) {
    for (const offset of hits(source, opening, start, end)) {
      const rest = source.read(offset, Math.min(PACKET_MAX_BYTES, end - offset));
      const closed = rest.indexOf(closing);
      const packet = closed < 0 ? rest : rest.subarray(0, closed + closing.length);
      const cleaning = cleanXmp(packet);
      if (cleaning === null) continue;
      const { length } = packet;
      const replacement = cleaning === 'unclear' ? Buffer.alloc(length, ' ') : cleaning;
      edits.push({ offset, length, replacement });
    }
  }
  return edits;
}
