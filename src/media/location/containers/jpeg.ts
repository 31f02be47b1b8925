import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError, UnsupportedVariantError } from '../byte-source.ts';
import type { Cleaning } from '../metadata/cleaning.ts';
import { cleanExif, EXIF_PREFIX, minimalExif, readExif } from '../metadata/exif.ts';
import { cleanPhotoshop } from '../metadata/photoshop.ts';
import { holdsPlace } from '../metadata/place.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES, NOTHING, type Scan } from '../scan.ts';

/**
 * JPEG segments (ITU-T T.81, annex B). Metadata stands in APP1 (Exif, XMP) and APP13 (IPTC);
 * some writers put it into others.
 *
 * Cameras append further JPEG images behind the first one (CIPA DC-007, Multi-Picture Format; gain
 * maps), each with Exif of its own. MPF finds them by offsets and lengths. So in them, and in a file
 * that has an MPF index, a block that goes is overwritten; elsewhere it is cut out.
 */

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const COM = 0xfe;
const FILL = 0xff;
const FIRST_SEGMENT = 0xc0;
const END = Buffer.from([0xff, EOI]);
const IMAGE_START = Buffer.from([0xff, SOI, 0xff]);
const SEGMENT_HEADER_BYTES = 4;

const XMP_PREFIX = Buffer.from('http://ns.adobe.com/xap/1.0/\0', 'latin1');
const EXTENDED_XMP_PREFIX = Buffer.from('http://ns.adobe.com/xmp/extension/\0', 'latin1');
/** Behind the prefix of extended XMP: a digest, the whole length, the offset of this part. */
const EXTENDED_XMP_HEADER_BYTES = EXTENDED_XMP_PREFIX.length + 32 + 4 + 4;
const PHOTOSHOP_PREFIX = Buffer.from('Photoshop 3.0\0', 'latin1');
const MPF_PREFIX = Buffer.from('MPF\0', 'latin1');

/** More than any writer makes, and few enough to keep. */
const BLOCKS_MAX = 1_000;
const EDITS_MAX = 10_000;

type Segment = { offset: number; length: number };

/** What one image holds of interest, up to where its walk ended. */
type Walk = {
  exif: Segment[];
  xmp: Segment[];
  extendedXmp: Segment[];
  photoshop: Segment[];
  /** Of any other kind, and yet they tell a place. */
  others: Segment[];
  /** Multi-Picture Format: offsets in the file that must stay true. */
  indexed: boolean;
  end: number;
  /** Behind the last segment. */
  dataAt: number;
  /** Whether data of the picture came. */
  scanned: boolean;
  /** Where and why the walk ended before the end of the image. */
  fault: { at: number; why: string } | null;
};

export function scanJpeg(source: ByteSource): Scan {
  const image = walkImage(source, 0);
  const { fault } = image;
  if (fault && !image.scanned) throw new MalformedError(fault.why);
  const edits = editsOf(source, image, image.indexed);
  edits.sort((one, other) => one.offset - other.offset);
  if (!fault) return { edits, frames: 1, end: image.end };
  // Some phones and optimisers leave out the end, or put a trailer of their own in its place. Where
  // it begins is not known, so all data is searched from where that of the picture begins.
  return { edits, frames: 1, end: image.dataAt, unended: { ...fault, tail: END } };
}

/** Of the images that begin between the two offsets; every edit keeps its length. */
export function furtherImageEdits(source: ByteSource, start: number, end: number): Edit[] {
  const edits: Edit[] = [];
  let at = source.indexOf(IMAGE_START, start);
  while (at >= 0 && at < end) {
    // Bytes that only look like an image are passed over: the search goes on where the look ended.
    const image = walkImage(source, at);
    edits.push(...editsOf(source, image, true));
    if (edits.length > EDITS_MAX)
      throw new MalformedError('it has too many blocks of location data');
    at = source.indexOf(IMAGE_START, image.end);
  }
  return edits;
}

/** Strict where a decoder would go on with grey: behind the first scan only known markers may come. */
function walkImage(source: ByteSource, start: number): Walk {
  const walk: Walk = {
    exif: [],
    xmp: [],
    extendedXmp: [],
    photoshop: [],
    others: [],
    indexed: false,
    end: start + 2,
    dataAt: start + 2,
    scanned: false,
    fault: null,
  };
  let blocks = 0;
  let last: Segment | null = null;
  for (;;) {
    const at = source.indexOf(FILL, walk.end);
    if (at < 0 || at + 2 > source.size)
      return { ...walk, fault: { at: source.size, why: 'it ends before its picture does' } };
    // Decoders skip bytes between segments; cut off from theirs, they would follow SOI and hide it.
    if (last && !walk.scanned) last.length = at - last.offset;
    last = null;
    const marker = source.byte(at + 1);
    if (marker === EOI) return { ...walk, end: at + 2 };
    if (marker === FILL || isPartOfCodedData(marker)) {
      walk.end = at + (marker === FILL ? 1 : 2);
      continue;
    }
    if (walk.scanned ? !mayFollowScan(marker) : marker < FIRST_SEGMENT || marker === SOI) {
      return { ...walk, fault: { at, why: `the marker ${marker} is out of place at byte ${at}` } };
    }
    const length = at + 4 > source.size ? 0 : 2 + source.read(at + 2, 2).readUInt16BE();
    if (length < SEGMENT_HEADER_BYTES || at + length > source.size) {
      return { ...walk, fault: { at, why: `its segment at byte ${at} is incomplete` } };
    }
    if (start === 0 && isFrame(marker)) requireUsualFrame(marker, source.byte(at + 4));
    walk.scanned ||= marker === SOS;
    const kind = blockKind(source, marker, { offset: at, length });
    if (kind === 'indexed') walk.indexed = true;
    else if (kind) {
      if (++blocks > BLOCKS_MAX) {
        const fault = { at, why: 'it has too many blocks of metadata' };
        // Further ones were not looked at, so the image is as good as not there.
        return { ...walk, scanned: false, fault };
      }
      last = { offset: at, length };
      walk[kind].push(last);
    }
    walk.end = at + length;
    walk.dataAt = walk.end;
  }
}

/** SOF0 to SOF15, among which DHT, JPG and DAC stand (T.81, table B.1). */
function isFrame(marker: number): boolean {
  return (marker & 0xf0) === 0xc0 && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Browsers show baseline, extended and progressive JPEG with Huffman codes, of 8 bits. */
function requireUsualFrame(marker: number, bits: number): void {
  const lossless = (marker & 3) === 3 || (marker >= 0xc5 && marker <= 0xc7);
  const kind =
    marker > 0xc8
      ? 'arithmetic coding'
      : lossless
        ? 'lossless or hierarchical coding'
        : bits !== 8
          ? `${bits} bits`
          : null;
  if (kind === null) return;
  throw new UnsupportedVariantError(
    `A JPEG with ${kind} is not supported. Save it as a baseline or progressive JPEG of 8 bits.`,
  );
}

/** A stuffed FF, TEM or a restart marker (T.81, table B.1). */
function isPartOfCodedData(marker: number): boolean {
  return marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd7);
}

/** DHT, SOS, DQT, DNL, DRI, COM, APPn (T.81, figure B.2). */
function mayFollowScan(marker: number): boolean {
  return (
    marker === 0xc4 ||
    (marker >= 0xda && marker <= 0xdd) ||
    marker === COM ||
    (marker & 0xf0) === 0xe0
  );
}

const BLOCK_KINDS = [
  // Skia, and so Chromium, accepts any byte behind the zero.
  [0xe1, EXIF_PREFIX.subarray(0, 5), 'exif'],
  [0xe1, XMP_PREFIX, 'xmp'],
  [0xe1, EXTENDED_XMP_PREFIX, 'extendedXmp'],
  [0xed, PHOTOSHOP_PREFIX, 'photoshop'],
  [0xe2, MPF_PREFIX, 'indexed'],
  [0xe2, Buffer.from('ICC_PROFILE\0', 'latin1'), null],
] as const;

function blockKind(source: ByteSource, marker: number, segment: Segment) {
  const start = segment.offset + SEGMENT_HEADER_BYTES;
  for (const [app, prefix, kind] of BLOCK_KINDS) {
    if (marker !== app || segment.length < SEGMENT_HEADER_BYTES + prefix.length) continue;
    if (source.read(start, prefix.length).equals(prefix)) return kind;
  }
  if (marker !== COM && (marker & 0xf0) !== 0xe0) return null;
  const block = source.read(start, segment.length - SEGMENT_HEADER_BYTES);
  return holdsPlace(block) ? 'others' : null;
}

function editsOf(source: ByteSource, walk: Walk, inPlace: boolean): Edit[] {
  const edits: Edit[] = [];
  const drop = ({ offset, length }: Segment, keep: Uint8Array = NOTHING) =>
    edits.push({ offset, length, replacement: app1(keep, inPlace ? length : null) });

  for (const segment of walk.exif) {
    let orientation = 1;
    const cleaning = cleanParts(source, [segment], EXIF_PREFIX.length, (tiff) => {
      const exif = readExif(tiff);
      orientation = exif.orientation;
      return exif.cleaning;
    });
    if (cleaning === 'unclear')
      drop(segment, orientation === 1 ? NOTHING : minimalExif(orientation));
    else edits.push(...cleaning);
  }
  for (const segment of walk.others) drop(segment);
  const { photoshop } = walk;
  const xmp = [
    { segments: walk.xmp, prefixBytes: XMP_PREFIX.length },
    ...extendedPackets(source, walk.extendedXmp),
  ].map(({ segments, prefixBytes }) => cleanParts(source, segments, prefixBytes, cleanXmp));
  // A packet without the other one that belongs to it says little.
  if (xmp.includes('unclear'))
    for (const segment of [...walk.xmp, ...walk.extendedXmp]) drop(segment);
  else for (const cleaning of xmp) edits.push(...(cleaning as Edit[]));
  // A long run of resources is spread over several segments.
  const resources = cleanParts(source, photoshop, PHOTOSHOP_PREFIX.length, (data) =>
    cleanPhotoshop(data, cleanExif),
  );
  if (resources === 'unclear') for (const segment of photoshop) drop(segment);
  else edits.push(...resources);
  return edits;
}

/** The parts of each packet in the order that their headers state, which need not be the file's. */
function extendedPackets(source: ByteSource, segments: Segment[]) {
  const prefixBytes = EXTENDED_XMP_HEADER_BYTES;
  const whole = segments.filter(({ length }) => length >= SEGMENT_HEADER_BYTES + prefixBytes);
  const parts = whole.map((segment) => {
    const header = source.read(segment.offset + SEGMENT_HEADER_BYTES, prefixBytes);
    const digest = header.toString('latin1', EXTENDED_XMP_PREFIX.length, prefixBytes - 8);
    return { segment, digest, offset: header.readUInt32BE(prefixBytes - 4) };
  });
  parts.sort((one, other) => one.offset - other.offset);
  const packets = Map.groupBy(parts, ({ digest }) => digest);
  return [...packets.values()].map((packet) => ({
    segments: packet.map(({ segment }) => segment),
    prefixBytes,
  }));
}

/** Cleans what the segments hold together behind their prefixes; they keep their lengths. */
function cleanParts(
  source: ByteSource,
  segments: Segment[],
  prefixBytes: number,
  clean: (block: Buffer) => Cleaning,
): Edit[] | 'unclear' {
  if (segments.length === 0) return [];
  const bytes = segments.reduce((sum, { length }) => sum + length, 0);
  if (bytes > METADATA_MAX_BYTES) return 'unclear';
  const cleaning = clean(joined(source, segments, prefixBytes));
  if (cleaning === null || cleaning === 'unclear') return cleaning ?? [];
  let used = 0;
  return segments.map((segment) => {
    const header = SEGMENT_HEADER_BYTES + prefixBytes;
    const length = Math.max(0, segment.length - header);
    const replacement = cleaning.subarray(used, used + length);
    used += length;
    return { offset: segment.offset + header, length, replacement };
  });
}

/** What the segments hold behind their prefixes. */
function joined(source: ByteSource, segments: Segment[], prefixBytes: number): Buffer {
  const header = SEGMENT_HEADER_BYTES + prefixBytes;
  return Buffer.concat(
    segments.map(({ offset, length }) =>
      source.read(offset + header, Math.max(0, length - header)),
    ),
  );
}

/** A segment with this Exif block: as short as can be (nothing for nothing), or filled to `length`. */
function app1(tiff: Uint8Array, length: number | null): Uint8Array {
  const payload = tiff.length > 0 ? Buffer.concat([EXIF_PREFIX, tiff]) : NOTHING;
  const needed = SEGMENT_HEADER_BYTES + payload.length;
  if (length === null && payload.length === 0) return NOTHING;
  const segment = Buffer.alloc(length ?? needed);
  segment.writeUInt16BE(0xffe1);
  segment.writeUInt16BE(segment.length - 2, 2);
  // A block too small to hold the orientation never held it.
  if (needed <= segment.length) segment.set(payload, SEGMENT_HEADER_BYTES);
  return segment;
}
