/** Formats that users send by mistake, so that the refusal can name what they sent. */

type ForeignFormat = { name: string; advice?: string };
type Signature = ForeignFormat & { at?: number; bytes: string };

const AS_PHOTO = 'Convert it to JPEG, PNG, WebP or AVIF.';
const AS_DRAWING = 'Export it as PNG or WebP.';
const AS_STILL = 'Export a still image, or an animation as WebP, GIF or APNG.';
const AS_BYTES = 'Send the bytes of the image file as they are.';

/** The first that matches counts. Texts are looked at without leading white space and byte order mark. */
const SIGNATURES: readonly Signature[] = [
  { name: 'JPEG XL', bytes: '\xff\x0a', advice: AS_PHOTO },
  { name: 'JPEG XL', bytes: '\0\0\0\x0cJXL ', advice: AS_PHOTO },
  { name: 'JPEG 2000', bytes: '\0\0\0\x0cjP  ', advice: AS_PHOTO },
  { name: 'JPEG 2000', bytes: '\xff\x4f\xff\x51', advice: AS_PHOTO },
  { name: 'TIFF', bytes: 'II*\0', advice: AS_PHOTO },
  { name: 'TIFF', bytes: 'MM\0*', advice: AS_PHOTO },
  { name: 'TIFF', bytes: 'II+\0', advice: AS_PHOTO },
  { name: 'TIFF', bytes: 'MM\0+', advice: AS_PHOTO },
  { name: 'ICO', bytes: '\0\0\x01\0', advice: AS_DRAWING },
  { name: 'CUR', bytes: '\0\0\x02\0', advice: AS_DRAWING },
  { name: 'Photoshop (PSD)', bytes: '8BPS', advice: AS_DRAWING },
  { name: 'GIMP (XCF)', bytes: 'gimp xcf', advice: AS_DRAWING },
  { name: 'MNG', bytes: '\x8aMNG', advice: AS_STILL },
  { name: 'JNG', bytes: '\x8bJNG', advice: AS_PHOTO },
  { name: 'OpenEXR', bytes: '\x76\x2f\x31\x01', advice: AS_PHOTO },
  { name: 'Radiance HDR', bytes: '#?RADIANCE', advice: AS_PHOTO },
  { name: 'DDS', bytes: 'DDS ', advice: AS_DRAWING },
  { name: 'QOI', bytes: 'qoif', advice: AS_DRAWING },
  { name: 'Camera raw (RAF)', bytes: 'FUJIFILMCCD-RAW', advice: AS_PHOTO },
  { name: 'PDF', bytes: '%PDF-', advice: AS_DRAWING },
  { name: 'PostScript', bytes: '%!PS', advice: AS_DRAWING },
  { name: 'AVI video', at: 8, bytes: 'AVI ', advice: AS_STILL },
  { name: 'WAV audio', at: 8, bytes: 'WAVE' },
  { name: 'WebM or Matroska video', bytes: '\x1a\x45\xdf\xa3', advice: AS_STILL },
  { name: 'QuickTime video', at: 4, bytes: 'moov', advice: AS_STILL },
  { name: 'QuickTime video', at: 4, bytes: 'mdat', advice: AS_STILL },
  { name: 'MPEG video', bytes: '\0\0\x01\xba', advice: AS_STILL },
  { name: 'Flash video', bytes: 'FLV\x01', advice: AS_STILL },
  { name: 'Ogg', bytes: 'OggS' },
  { name: 'MP3 audio', bytes: 'ID3' },
  { name: 'ZIP', bytes: 'PK\x03\x04', advice: 'Unpack it and send the images one by one.' },
  { name: 'GZIP', bytes: '\x1f\x8b', advice: 'Unpack it first.' },
  { name: '7z', bytes: '7z\xbc\xaf\x27\x1c', advice: 'Unpack it first.' },
  { name: 'RAR', bytes: 'Rar!\x1a\x07', advice: 'Unpack it first.' },
  // Line ends that a transfer as text converted, and bytes that it replaced.
  { name: 'A PNG damaged by a transfer as text', bytes: '\x89PNG', advice: AS_BYTES },
  { name: 'A PNG damaged by a transfer as text', bytes: '\xef\xbf\xbdPNG', advice: AS_BYTES },
  {
    name: 'A JPEG damaged by a transfer as text',
    bytes: '\xef\xbf\xbd\xef\xbf\xbd',
    advice: AS_BYTES,
  },
];

const TEXTS: readonly (ForeignFormat & { begins: RegExp })[] = [
  {
    name: 'SVG',
    begins: /^(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg|<svg)/is,
    advice: AS_DRAWING,
  },
  { name: 'HTML', begins: /^(<!doctype html|<html|<head|<body|<script)/i },
  { name: 'XML', begins: /^<\?xml/i },
  {
    name: 'A data URL',
    begins: /^data:[\w/+.-]*[;,]/i,
    advice: 'Decode its Base64 and send the bytes.',
  },
  {
    name: 'Base64 text',
    begins: /^(iVBORw0KGgo|\/9j\/|R0lGOD|UklGR)/,
    advice: 'Decode it and send the bytes.',
  },
  {
    name: 'A Git LFS pointer',
    begins: /^version https:\/\/git-lfs/,
    advice: 'Run git lfs pull first.',
  },
  { name: 'Portable anymap (PNM)', begins: /^P[1-7]\s/, advice: AS_DRAWING },
  { name: 'JSON', begins: /^[{[]\s*["{[\]}]/, advice: AS_BYTES },
];

const HEIC_BRANDS = /^(hei[cxms]|hev[cxms]|mif[12]|msf1)$/;

/** The format that the first bytes of a file show; null: one that is not known here. */
export function foreignFormat(head: Buffer): ForeignFormat | null {
  const bytes = head.toString('latin1');
  if (bytes.startsWith('ftyp', 4)) return boxedFormat(bytes.slice(8, 12));
  const found = SIGNATURES.find(({ at = 0, bytes: signature }) => bytes.startsWith(signature, at));
  if (found) return found;
  // Two letters could begin any text; the reserved bytes behind the size are zero.
  if (/^BM.{4}\0\0\0\0/s.test(bytes)) return { name: 'BMP', advice: AS_DRAWING };
  const text = bytes.replace(/^\xef\xbb\xbf/, '').trimStart();
  return TEXTS.find(({ begins }) => begins.test(text)) ?? null;
}

/** The family of ISO/IEC 14496-12 by its major brand. */
function boxedFormat(brand: string): ForeignFormat {
  if (HEIC_BRANDS.test(brand)) return { name: 'HEIC', advice: AS_PHOTO };
  if (brand === 'crx ') return { name: 'Camera raw (CR3)', advice: AS_PHOTO };
  if (brand === 'jxl ') return { name: 'JPEG XL', advice: AS_PHOTO };
  if (brand === 'qt  ') return { name: 'QuickTime video', advice: AS_STILL };
  if (brand.startsWith('M4A')) return { name: 'MPEG-4 audio' };
  return { name: 'MP4 video', advice: AS_STILL };
}
