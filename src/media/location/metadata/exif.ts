import { iptcHasLocation, xmpHasLocation } from './xmp-iptc.ts';

/** Exif is a TIFF file (TIFF 6.0, §2; Exif 2.32, §4.5): directories of 12-byte entries. */

const ORIENTATION = 0x0112;
const SUB_IFDS = 0x014a;
const XMP = 0x02bc;
const IPTC = 0x83bb;
const EXIF_IFD = 0x8769;
const GPS_IFD = 0x8825;
const INTEROPERABILITY_IFD = 0xa005;
/** Bytes of one value by TIFF type; an unknown type is taken as a byte. */
const TYPE_BYTES = [1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];
/** A file of a camera holds 3 to 8. */
const DIRECTORIES_MAX = 64;

export const EXIF_PREFIX = Buffer.from('Exif\0\0', 'latin1');

export type Exif = {
  location: boolean;
  /** 1–8, by which the viewer turns the image; 1: as it is. */
  orientation: number;
};

/** Reads a TIFF block, without the prefix. One that cannot be read counts as holding location. */
export function readExif(tiff: Buffer): Exif {
  const exif = { location: false, orientation: 1 };
  try {
    walk(tiff, exif);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    exif.location = true;
  }
  return exif;
}

/** The TIFF block of Exif that may begin with its prefix. */
export function withoutPrefix(block: Buffer): Buffer {
  const prefixed = block.subarray(0, EXIF_PREFIX.length).equals(EXIF_PREFIX);
  return prefixed ? block.subarray(EXIF_PREFIX.length) : block;
}

/** The smallest block that says nothing but the orientation. */
export function minimalExif(orientation: number): Buffer {
  const tiff = Buffer.from(
    'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0',
    'latin1',
  );
  tiff.writeUInt16BE(orientation, 18);
  return tiff;
}

/** Fills `exif` as far as it gets; throws RangeError where an offset leads out of the block. */
function walk(tiff: Buffer, exif: Exif): void {
  const order = tiff.toString('latin1', 0, 4);
  if (order !== 'II*\0' && order !== 'MM\0*') throw new RangeError('no TIFF header');
  const little = order === 'II*\0';
  const u16 = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const u32 = (at: number) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  // A thumbnail may carry a block of its own.
  if (tiff.includes(EXIF_PREFIX)) exif.location = true;

  const first = u32(4);
  const directories = [first];
  const seen = new Set<number>();
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    if (seen.has(at)) continue;
    if (seen.add(at).size > DIRECTORIES_MAX) throw new RangeError('too many directories');
    const end = at + 2 + u16(at) * 12;
    for (let entry = at + 2; entry < end; entry += 12) {
      const tag = u16(entry);
      const count = u32(entry + 4);
      const bytes = count * (TYPE_BYTES[u16(entry + 2)] ?? 1);
      const value = bytes <= 4 ? entry + 8 : u32(entry + 8);
      const block = () => tiff.subarray(value, value + bytes);
      if (tag === GPS_IFD) exif.location = true;
      else if (tag === EXIF_IFD || tag === INTEROPERABILITY_IFD) directories.push(u32(entry + 8));
      else if (tag === SUB_IFDS) {
        for (let n = 0; n < Math.min(count, DIRECTORIES_MAX); n += 1) {
          directories.push(u32(value + n * 4));
        }
      } else if (tag === XMP) exif.location ||= xmpHasLocation(block());
      else if (tag === IPTC) exif.location ||= iptcHasLocation(block());
      else if (tag === ORIENTATION && at === first) {
        const turn = u16(entry + 8);
        if (turn >= 1 && turn <= 8) exif.orientation = turn;
      }
    }
    const next = end + 4 <= tiff.length ? u32(end) : 0;
    if (next !== 0) directories.push(next);
  }
}
