import { ServiceError } from '../contract/errors.ts';
import type { Format } from '../contract/formats.ts';
import { foreignFormat } from './foreign-formats.ts';
import { scanAvif } from './location/containers/avif.ts';
import { scanGif } from './location/containers/gif.ts';
import { scanJpeg } from './location/containers/jpeg.ts';
import { scanPng } from './location/containers/png.ts';
import { withTrailer } from './location/containers/trailer.ts';
import { scanWebp } from './location/containers/webp.ts';
import type { Scanner } from './location/scan.ts';

/**
 * The supported formats. A new one is a line in the contract's MEDIA_TYPES and, since the compiler then
 * asks for it, an entry here with its scanner in location/containers/.
 */
type FormatEntry = {
  /** Whether a file that begins with these bytes is one. */
  matches(head: Buffer): boolean;
  /** What libvips calls it, and the class of its loaders; every other class stays blocked. */
  vips: { format: string; loader: string };
  scan: Scanner;
};

/** Holds a signature, the brands of a usual `ftyp` box, and the comments before the root of an SVG. */
export const HEAD_BYTES = 256;

const PNG_SIGNATURE = '\x89PNG\r\n\x1a\n';

export const FORMAT_TABLE = {
  png: {
    matches: (head) => startsWith(head, PNG_SIGNATURE),
    vips: { format: 'png', loader: 'VipsForeignLoadPng' },
    scan: withTrailer(scanPng),
  },
  jpeg: {
    matches: (head) => startsWith(head, '\xff\xd8\xff'),
    vips: { format: 'jpeg', loader: 'VipsForeignLoadJpeg' },
    scan: withTrailer(scanJpeg),
  },
  webp: {
    matches: (head) => startsWith(head, 'RIFF') && startsWith(head.subarray(8), 'WEBP'),
    vips: { format: 'webp', loader: 'VipsForeignLoadWebp' },
    scan: withTrailer(scanWebp),
  },
  gif: {
    matches: (head) => startsWith(head, 'GIF87a') || startsWith(head, 'GIF89a'),
    vips: { format: 'gif', loader: 'VipsForeignLoadNsgif' },
    scan: withTrailer(scanGif),
  },
  avif: {
    matches: hasAvifBrand,
    vips: { format: 'heif', loader: 'VipsForeignLoadHeif' },
    scan: scanAvif,
  },
} satisfies Record<Format, FormatEntry>;

/** The format by the first HEAD_BYTES of a file (or all of a shorter one); null: none supported. */
export function formatOf(head: Uint8Array): Format | null {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  for (const [format, { matches }] of Object.entries(FORMAT_TABLE)) {
    if (matches(bytes)) return format as Format;
  }
  return null;
}

const SUPPORTED = 'Supported: PNG, JPEG, WebP, GIF, AVIF.';

/** The refusal of a file that begins with these bytes. */
export function unsupportedFormat(head: Uint8Array): ServiceError {
  if (head.length === 0) return unsupportedMedia(`The file is empty. ${SUPPORTED}`);
  const found = foreignFormat(Buffer.from(head.buffer, head.byteOffset, head.byteLength));
  if (!found) return unsupportedMedia(`Unsupported image format. ${SUPPORTED}`);
  const advice = found.advice ? ` ${found.advice}` : '';
  return unsupportedMedia(`${found.name} is not supported. ${SUPPORTED}${advice}`);
}

export function unsupportedMedia(message: string): ServiceError {
  return new ServiceError('unsupported_media_type', message);
}

function startsWith(bytes: Buffer, signature: string): boolean {
  return bytes.subarray(0, signature.length).equals(Buffer.from(signature, 'latin1'));
}

/** AVIF and HEIC share the box `ftyp`; the brands tell them apart (AV1 Image File Format, §6). */
function hasAvifBrand(head: Buffer): boolean {
  if (head.length < 16 || !startsWith(head.subarray(4), 'ftyp')) return false;
  const end = Math.min(head.readUInt32BE(0), head.length);
  for (let at = 8; at + 4 <= end; at += 4) {
    // Bytes 12–15 are the minor version.
    const brand = at === 12 ? '' : head.toString('latin1', at, at + 4);
    if (brand === 'avif' || brand === 'avis') return true;
  }
  return false;
}
