import type { Edit } from '../../inspector.ts';
import { type ByteSource, CutShortError, MalformedError } from '../byte-source.ts';
import { EXIF_PREFIX, minimalExif, readExif, withoutPrefix, withTiff } from '../metadata/exif.ts';
import { rangeHoldsPlace } from '../metadata/place.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES, NOTHING, type Scan } from '../scan.ts';

/** RIFF chunks (RFC 9649, §2): four letters, a length, the payload, a zero if that is odd. */

const RIFF_SIZE_OFFSET = 4;
const FIRST_CHUNK_OFFSET = 12;
const CHUNK_HEADER_BYTES = 8;
/** What VP8X says about the chunks of metadata. */
const FLAGS: Record<string, number> = { EXIF: 0x08, 'XMP ': 0x04 };
const PICTURE_CHUNKS = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ANIM', 'ANMF', 'ICCP']);

export function scanWebp(source: ByteSource): Scan {
  const announced = 8 + source.read(RIFF_SIZE_OFFSET, 4).readUInt32LE();
  // Some writers leave out the last zero, which pads a chunk of odd length, and yet count it.
  if (announced > source.size + 1) {
    throw new CutShortError(`it has ${source.size} of ${announced} bytes`);
  }
  const end = Math.min(announced, source.size);
  const edits: Edit[] = [];
  let flags: { offset: number; value: number } | null = null;
  let dropped = 0;
  let frames = 0;
  for (let at = FIRST_CHUNK_OFFSET; at + CHUNK_HEADER_BYTES <= end; ) {
    const name = source.read(at, 4).toString('latin1');
    const length = source.read(at + 4, 4).readUInt32LE();
    const payload = at + CHUNK_HEADER_BYTES;
    if (payload + length > end)
      throw new MalformedError(`the size of its chunk ${name.replaceAll(/[^\w ]/g, '?')} is wrong`);
    const whole = Math.min(CHUNK_HEADER_BYTES + length + (length % 2), end - at);
    if (name === 'VP8X' && length > 0) flags = { offset: payload, value: source.byte(payload) };
    if (name === 'ANMF') frames += 1;
    const clean = PICTURE_CHUNKS.has(name) ? null : (CHUNKS[name] ?? cleanOther);
    const replacement = clean?.(source, payload, length) ?? null;
    if (replacement) {
      const padding = Buffer.alloc(replacement.length % 2);
      edits.push({ offset: at, length: whole, replacement: Buffer.concat([replacement, padding]) });
      if (replacement.length === 0) dropped |= FLAGS[name] ?? 0;
    }
    at += whole;
  }
  const scan = {
    edits: edits.length > 0 ? withHeader(edits, end, flags, dropped) : [],
    frames,
    end,
  };
  if (announced === end) return scan;
  return { ...scan, unended: { at: end, tail: Buffer.alloc(1), why: 'its last byte is missing' } };
}

/** What takes the place of the chunk; null: it holds no location and stays. */
const CHUNKS: Record<
  string,
  (source: ByteSource, payload: number, length: number) => Uint8Array | null
> = {
  EXIF(source, payload, length) {
    if (length > METADATA_MAX_BYTES) return NOTHING;
    const block = source.read(payload, length);
    const tiff = withoutPrefix(block);
    const { cleaning, orientation } = readExif(tiff);
    if (cleaning === null) return null;
    if (cleaning !== 'unclear') return chunk('EXIF', withTiff(block, cleaning));
    if (orientation === 1) return NOTHING;
    const prefix = tiff === block ? NOTHING : EXIF_PREFIX;
    return chunk('EXIF', Buffer.concat([prefix, minimalExif(orientation)]));
  },
  'XMP '(source, payload, length) {
    if (length > METADATA_MAX_BYTES) return NOTHING;
    const cleaning = cleanXmp(source.read(payload, length));
    if (cleaning === 'unclear') return NOTHING;
    return cleaning && chunk('XMP ', cleaning);
  },
};

function cleanOther(source: ByteSource, payload: number, length: number): Uint8Array | null {
  return rangeHoldsPlace(source, payload, payload + length) ? NOTHING : null;
}

function chunk(name: string, payload: Buffer): Buffer {
  const head = Buffer.alloc(CHUNK_HEADER_BYTES);
  head.write(name, 'latin1');
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

/** The edits of the chunks, and of what is said about them at the head of the file. */
function withHeader(
  edits: Edit[],
  end: number,
  flags: { offset: number; value: number } | null,
  dropped: number,
): Edit[] {
  const grown = edits.reduce((sum, edit) => sum + edit.replacement.length - edit.length, 0);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(end - 8 + grown);
  const header: Edit[] = [{ offset: RIFF_SIZE_OFFSET, length: 4, replacement: size }];
  if (flags && dropped !== 0) {
    const replacement = Buffer.from([flags.value & ~dropped]);
    header.push({ offset: flags.offset, length: 1, replacement });
  }
  return [...header, ...edits].sort((one, other) => one.offset - other.offset);
}
