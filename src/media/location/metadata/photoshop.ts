import type { Cleaning } from './cleaning.ts';
import { cleanIptc } from './iptc.ts';
import { holdsPlace } from './place.ts';
import { cleanXmp } from './xmp.ts';

/** Image resources that hold other metadata (Photoshop File Formats, Image Resources). */
const RESOURCES: Record<number, (data: Buffer) => Cleaning> = { 1028: cleanIptc, 1060: cleanXmp };
const EXIF_RESOURCES = new Set([0x0422, 0x0423]);
const SIGNATURES = new Set(['8BIM', 'MeSa', 'AgHg', 'PHUT', 'DCSR']);
/** Signature, kind, empty name, length. */
const RESOURCE_MIN_BYTES = 12;

const PREFIX = 'Photoshop 3.0\0';

/** What a JPEG's APP13 segment puts before the resources, and some tools wherever they stand. */
export function withoutPhotoshopPrefix(bytes: Buffer): Buffer {
  const prefixed = bytes.toString('latin1', 0, PREFIX.length) === PREFIX;
  return prefixed ? bytes.subarray(PREFIX.length) : bytes;
}

/** Such as a thumbnail, which is a JPEG: zeros where it tells a place. */
function cleanOther(data: Buffer): Cleaning {
  return holdsPlace(data) ? Buffer.alloc(data.length) : null;
}

/**
 * A run of resources; the data of each keeps its length. Resources may hold Exif and Exif may hold
 * resources, so the caller says how Exif is read: not at all where it would go round in circles.
 */
export function cleanPhotoshop(
  resources: Buffer,
  cleanExif: (data: Buffer) => Cleaning = () => 'unclear',
): Cleaning {
  let cleaned: Buffer | null = null;
  let at = 0;
  while (at + RESOURCE_MIN_BYTES <= resources.length) {
    if (!SIGNATURES.has(resources.toString('latin1', at, at + 4))) return 'unclear';
    const kind = resources.readUInt16BE(at + 4);
    // The name, its length included, is padded to be even; the data as well.
    const name = resources.readUInt8(at + 6) + 1;
    const start = at + 6 + name + (name % 2) + 4;
    if (start > resources.length) return 'unclear';
    const length = resources.readUInt32BE(start - 4);
    if (start + length > resources.length) return 'unclear';
    const clean = EXIF_RESOURCES.has(kind) ? cleanExif : (RESOURCES[kind] ?? cleanOther);
    const cleaning = length > 0 ? clean(resources.subarray(start, start + length)) : null;
    if (cleaning === 'unclear') return 'unclear';
    if (cleaning) {
      cleaned ??= Buffer.from(resources);
      cleaning.copy(cleaned, start);
    }
    at = start + length + (length % 2);
  }
  return resources.subarray(at).some((padding) => padding !== 0) ? 'unclear' : cleaned;
}
