import type { Cleaning } from './cleaning.ts';

/** Datasets of IPTC IIM record 2 (IIM 4.2, §6): places, and what names one. */
const IPTC_PLACES = new Set([26, 27, 90, 92, 95, 100, 101]);
const MARKER = 0x1c;
const HEADER_BYTES = 5;

/**
 * Datasets as IIM 4.2, §1.5 lays them out. Those of a place are taken out, the others move up, and
 * zeros fill the end. One without a value tells no place.
 */
export function cleanIptc(iim: Buffer): Cleaning {
  const kept: Buffer[] = [];
  let at = 0;
  let located = false;
  while (at + HEADER_BYTES <= iim.length && iim[at] === MARKER) {
    const start = valueStart(iim, at);
    if (start === null) return 'unclear';
    const end = start.offset + start.length;
    if (end > iim.length) return 'unclear';
    const isPlace =
      iim[at + 1] === 2 &&
      IPTC_PLACES.has(iim[at + 2]!) &&
      iim.subarray(start.offset, end).some((byte) => byte !== 0 && byte !== 0x20);
    if (isPlace) located = true;
    else kept.push(iim.subarray(at, end));
    at = end;
  }
  const rest = iim.subarray(at);
  if (rest.some((padding) => padding !== 0)) return 'unclear';
  if (!located) return null;
  const cleaned = Buffer.alloc(iim.length);
  Buffer.concat(kept).copy(cleaned);
  return cleaned;
}

function valueStart(iim: Buffer, at: number): { offset: number; length: number } | null {
  const length = iim.readUInt16BE(at + 3);
  const offset = at + HEADER_BYTES;
  if ((length & 0x8000) === 0) return { offset, length };
  const digits = length & 0x7fff;
  if (digits < 1 || digits > 4 || offset + digits > iim.length) return null;
  return { offset: offset + digits, length: iim.readUIntBE(offset, digits) };
}
