import { readExif, withoutPrefix } from './exif.ts';
import { iptcHasLocation, xmpHasLocation } from './xmp-iptc.ts';

/** Image resources that hold other metadata (Photoshop File Formats, Image Resources). */
const RESOURCE_IPTC = 0x0404;
const RESOURCE_EXIF = 0x0422;
const RESOURCE_XMP = 0x0424;
const SIGNATURES = new Set(['8BIM', 'MeSa', 'AgHg', 'PHUT', 'DCSR']);
/** Signature, kind, empty name, length. */
const RESOURCE_MIN_BYTES = 12;

const PREFIX = 'Photoshop 3.0\0';

/** What a JPEG's APP13 segment puts before the resources, and some tools wherever they stand. */
export function withoutPhotoshopPrefix(bytes: Buffer): Buffer {
  const prefixed = bytes.toString('latin1', 0, PREFIX.length) === PREFIX;
  return prefixed ? bytes.subarray(PREFIX.length) : bytes;
}

/** A run of resources. What cannot be walked counts as holding location. */
export function photoshopHasLocation(resources: Buffer): boolean {
  let at = 0;
  while (at + RESOURCE_MIN_BYTES <= resources.length) {
    if (!SIGNATURES.has(resources.toString('latin1', at, at + 4))) return true;
    const kind = resources.readUInt16BE(at + 4);
    // The name, its length included, is padded to be even; the data as well.
    const name = resources.readUInt8(at + 6) + 1;
    const start = at + 6 + name + (name % 2) + 4;
    if (start > resources.length) return true;
    const length = resources.readUInt32BE(start - 4);
    if (start + length > resources.length) return true;
    if (resourceHasLocation(kind, resources.subarray(start, start + length))) return true;
    at = start + length + (length % 2);
  }
  return resources.subarray(at).some((padding) => padding !== 0);
}

function resourceHasLocation(kind: number, data: Buffer): boolean {
  if (data.length === 0) return false;
  if (kind === RESOURCE_IPTC) return iptcHasLocation(data);
  if (kind === RESOURCE_XMP) return xmpHasLocation(data);
  return kind === RESOURCE_EXIF && readExif(withoutPrefix(data)).location;
}
