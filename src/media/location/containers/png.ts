import { crc32, deflateSync, inflateSync } from 'node:zlib';
import type { Edit } from '../../inspector.ts';
import { type ByteSource, CutShortError } from '../byte-source.ts';
import type { Cleaning } from '../metadata/cleaning.ts';
import { cleanExif, minimalExif, readExif, withoutPrefix, withTiff } from '../metadata/exif.ts';
import { cleanIptc } from '../metadata/iptc.ts';
import { cleanPhotoshop, withoutPhotoshopPrefix } from '../metadata/photoshop.ts';
import { holdsPlace, rangeHoldsPlace } from '../metadata/place.ts';
import { cleanXmp } from '../metadata/xmp.ts';
import { METADATA_MAX_BYTES, NOTHING, type Scan } from '../scan.ts';

/** PNG (Third Edition), §5.3: chunks of a length, a type, the data and a CRC up to IEND. */

const FIRST_CHUNK_OFFSET = 8;
/** Length, type, CRC. */
const CHUNK_FRAME_BYTES = 12;
const CHUNK_TYPE = /^[A-Za-z]{4}$/;
const KEYWORD_MAX_BYTES = 79;
/** The first byte of nearly all data that is compressed with zlib. */
const ZLIB = 0x78;
/** What may stand in front of it. */
const HEAD_MAX_BYTES = 16;
const PICTURE_CHUNKS = new Set(
  'IHDR PLTE IDAT IEND acTL fcTL fdAT iCCP tRNS gAMA cHRM sRGB sBIT bKGD hIST pHYs sPLT tIME'.split(
    ' ',
  ),
);
const XMP_KEYWORD = 'XML:com.adobe.xmp';
/** Texts that ImageMagick, ExifTool and others name for what they hold. */
const PLACE_KEYWORD = /gps|latitude|longitude|^(geo|location|city|state|country)\b/i;

/** `offset` and `length` are those of the data; not `whole`: the file ends within it. */
export type Chunk = { type: string; offset: number; length: number; whole: boolean };

/** Up to IEND, or to the end of a file that lacks it. */
export function* pngChunks(source: ByteSource): Generator<Chunk> {
  for (let at = FIRST_CHUNK_OFFSET; at + 8 <= source.size; ) {
    const length = source.read(at, 4).readUInt32BE();
    const type = source.read(at + 4, 4).toString('latin1');
    // Not a chunk, but what somebody put in place of IEND.
    if (!CHUNK_TYPE.test(type)) return;
    const whole = at + CHUNK_FRAME_BYTES + length <= source.size;
    const offset = at + 8;
    yield { type, offset, length: whole ? length : Math.min(length, source.size - offset), whole };
    if (type === 'IEND' || !whole) return;
    at += CHUNK_FRAME_BYTES + length;
  }
}

export function scanPng(source: ByteSource): Scan {
  const edits: Edit[] = [];
  // APNG (PNG Third Edition, §4.9): what it announces and what it brings, whichever is more.
  let announced = 0;
  let brought = 0;
  let end = 0;
  let last: Chunk | undefined;
  let hasPicture = false;
  for (const chunk of pngChunks(source)) {
    if (chunk.type === 'acTL' && chunk.length >= 4) {
      announced = source.read(chunk.offset, 4).readUInt32BE();
    } else if (chunk.type === 'fcTL') brought += 1;
    last = chunk;
    end = chunk.whole ? chunk.offset + chunk.length + 4 : source.size;
    hasPicture ||= chunk.type === 'IDAT';
    if (!chunk.whole) break;
    const replacement = withoutLocation(source, chunk);
    if (replacement === null) continue;
    const offset = chunk.offset - 8;
    edits.push({ offset, length: chunk.length + CHUNK_FRAME_BYTES, replacement });
  }
  const frames = announced > 0 ? Math.max(announced, brought) : 1;
  if (last?.type === 'IEND') return { edits, frames, end };
  if (!last || !hasPicture) throw new CutShortError('it ends before its picture begins');
  if (announced > brought) {
    throw new CutShortError(`${announced - brought} of its ${announced} frames are missing`);
  }
  // What is cut cannot be proven to tell no place.
  const inPicture = last.whole || last.type === 'IDAT' || last.type === 'fdAT';
  if (!inPicture) {
    const offset = last.offset - 8;
    edits.push({ offset, length: source.size - offset, replacement: NOTHING });
  }
  const at = inPicture ? source.size : last.offset - 8;
  const unended = { at, tail: NOTHING, why: 'it ends before its picture does' };
  return { edits, frames, end, unended };
}

/** What takes the place of the chunk; null: it holds no location and stays. */
function withoutLocation(source: ByteSource, { type, offset, length }: Chunk): Uint8Array | null {
  if (type === 'eXIf') {
    if (length > METADATA_MAX_BYTES) return NOTHING;
    const block = source.read(offset, length);
    const { cleaning, orientation } = readExif(withoutPrefix(block));
    if (cleaning === null) return null;
    if (cleaning !== 'unclear') return pngChunk('eXIf', withTiff(block, cleaning));
    return orientation === 1 ? NOTHING : pngChunk('eXIf', minimalExif(orientation));
  }
  if (PICTURE_CHUNKS.has(type)) return null;
  if (type !== 'tEXt' && type !== 'zTXt' && type !== 'iTXt') {
    return holdsPlaceInside(source, offset, length) ? NOTHING : null;
  }
  const head = source.read(offset, Math.min(length, KEYWORD_MAX_BYTES + 1));
  const keyword = head.toString('latin1').split('\0', 1)[0]!;
  if (PLACE_KEYWORD.test(keyword)) return NOTHING;
  const clean = profileCleaner(keyword);
  if (length > METADATA_MAX_BYTES) {
    if (clean || type !== 'tEXt') return NOTHING;
    return rangeHoldsPlace(source, offset, offset + length) ? NOTHING : null;
  }
  const data = source.read(offset, length);
  const text = textOf(type, data, keyword.length + 1);
  if (text && !clean) return holdsPlace(text.bytes) ? NOTHING : null;
  const cleaning = text && clean ? clean(text.bytes) : 'unclear';
  if (text === null || cleaning === 'unclear') return NOTHING;
  if (cleaning === null) return null;
  const bytes = text.compressed ? deflateSync(cleaning) : cleaning;
  return pngChunk(type, Buffer.concat([data.subarray(0, text.start), bytes]));
}

/** Of a chunk of no known type, such as `zxIf`, which holds compressed Exif behind a short head. */
function holdsPlaceInside(source: ByteSource, offset: number, length: number): boolean {
  if (rangeHoldsPlace(source, offset, offset + length)) return true;
  if (length > METADATA_MAX_BYTES) return false;
  const data = source.read(offset, length);
  for (
    let at = data.indexOf(ZLIB);
    at >= 0 && at < HEAD_MAX_BYTES;
    at = data.indexOf(ZLIB, at + 1)
  ) {
    const inflated = inflate(data.subarray(at));
    if (inflated && holdsPlace(inflated)) return true;
  }
  return false;
}

/** How a text of this keyword is searched; null: it is of no interest. */
function profileCleaner(keyword: string): ((text: Buffer) => Cleaning) | null {
  if (keyword === XMP_KEYWORD) return cleanXmp;
  if (!/^Raw profile type /i.test(keyword) || /^Raw profile type icc$/i.test(keyword)) return null;
  return (text) => {
    const profile = rawProfile(text);
    if (profile === null) return 'unclear';
    const cleaning = cleanProfile(profile);
    return cleaning instanceof Buffer ? withRawProfile(text, cleaning) : cleaning;
  };
}

/** The kind of a profile shows in how it begins: tools differ in how they name it. */
function cleanProfile(profile: Buffer): Cleaning {
  const resources = withoutPhotoshopPrefix(profile);
  if (resources.subarray(0, 4).equals(Buffer.from('8BIM'))) {
    const cleaning = cleanPhotoshop(resources, cleanExif);
    return cleaning instanceof Buffer ? withTiff(profile, cleaning) : cleaning;
  }
  if (profile[0] === 0x1c) return cleanIptc(profile);
  const tiff = withoutPrefix(profile);
  const isExif = tiff !== profile || /^(II\*\0|MM\0\*)/.test(tiff.toString('latin1', 0, 4));
  return isExif ? cleanExif(profile) : cleanXmp(profile);
}

type Text = { bytes: Buffer; compressed: boolean; start: number };

/** The text, which stands behind the keyword, inflated if need be; null: that fails or is too much. */
function textOf(type: string, data: Buffer, keywordEnd: number): Text | null {
  let start = keywordEnd;
  let compressed = false;
  if (type === 'zTXt') {
    // Method, text.
    compressed = true;
    start += 1;
  } else if (type === 'iTXt') {
    // Flag, method, language, 0, translated keyword, 0, text.
    compressed = data[start] === 1;
    const language = data.indexOf(0, start + 2);
    const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
    if (translated < 0) return null;
    start = translated + 1;
  }
  const bytes = data.subarray(start);
  if (!compressed) return { bytes, compressed, start };
  const text = inflate(bytes);
  return text && { bytes: text, compressed, start };
}

function inflate(bytes: Buffer): Buffer | null {
  try {
    return inflateSync(bytes, { maxOutputLength: METADATA_MAX_BYTES });
  } catch {
    return null;
  }
}

/** ImageMagick's form: a line with the name, one with the length, then hexadecimal digits. */
function rawProfile(text: Buffer): Buffer | null {
  const parts = /^\s*[\w ]+\n\s*(\d+)\n([\da-fA-F\s]*)$/.exec(text.toString('latin1'));
  if (!parts) return null;
  const bytes = Buffer.from(parts[2]!.replaceAll(/\s/g, ''), 'hex');
  return bytes.length > 0 && bytes.length === Number(parts[1]) ? bytes : null;
}

/** The text with the digits of a profile of the same length. */
function withRawProfile(text: Buffer, profile: Buffer): Buffer {
  const [head] = /^\s*[\w ]+\n\s*\d+\n/.exec(text.toString('latin1'))!;
  const digits = profile.toString('hex');
  let used = 0;
  const lines = text
    .toString('latin1', head.length)
    .replaceAll(/[\da-fA-F]/g, () => digits[used++]!);
  return Buffer.from(head + lines, 'latin1');
}

/** A whole chunk, its CRC right. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(CHUNK_FRAME_BYTES + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}
