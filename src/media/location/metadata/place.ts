import type { ByteSource } from '../byte-source.ts';
import { cleanIptc } from './iptc.ts';
import { tiffPlaces } from './tiff-places.ts';
import { cleanXmp } from './xmp.ts';

/**
 * Readers such as ExifTool find metadata by its content, in blocks that no standard names for it. So
 * a block of any other kind is searched for the marks of the known ones. The work is linear in its
 * length.
 */

/** A larger block is searched piece by piece. */
const PIECE_BYTES = 1024 * 1024;
/** What two pieces share, so that a mark and what it says stand in one of them. */
const SHARED_BYTES = 64 * 1024;
/** A preview in a preview has three. */
const TIFF_HEADERS_MAX = 64;

export const TIFF_HEADERS = ['II*\0', 'MM\0*'].map((header) => Buffer.from(header, 'latin1'));
const IPTC_RESOURCE = Buffer.from('8BIM\x04\x04', 'latin1');
const PACKET = /xmpmeta|:RDF|xmlns/;
const POSITION = /GPS[ _-]?(?:Latitude|Longitude|Position|Coordinates)/i;
/** Editors write the properties empty into every packet. */
const FILLED_POSITION = /GPS(?:Latitude|Longitude|Position|Coordinates)[\s"'=:>]{1,16}[+-]?\d/i;
const FILM = /moov|moof|udta|meta/;
const FILM_PLACE = /[\xa9@]xyz|loci|gps0|gpsa|camm|gpmd|GPMF|quicktime\.location|ISO6709/;

/** Whether a block of no known kind tells a place. */
export function holdsPlace(block: Buffer): boolean {
  return holdsPlaceInExif(block) || holdsPlaceInIptc(block) || holdsPlaceInText(block);
}

/** The same of bytes of the file. */
export function rangeHoldsPlace(source: ByteSource, start: number, end: number): boolean {
  for (let at = start; at < end; at += PIECE_BYTES - SHARED_BYTES) {
    if (holdsPlace(source.read(at, Math.min(PIECE_BYTES, end - at)))) return true;
    if (at + PIECE_BYTES >= end) break;
  }
  return false;
}

function holdsPlaceInExif(block: Buffer): boolean {
  let seen = 0;
  const budget = { bytes: 2 * block.length };
  for (const header of TIFF_HEADERS) {
    for (let at = block.indexOf(header); at >= 0; at = block.indexOf(header, at + 1)) {
      seen += 1;
      if (seen > TIFF_HEADERS_MAX) return true;
      if (tiffPlaces(block.subarray(at), budget).length > 0) return true;
    }
  }
  return false;
}

function holdsPlaceInIptc(block: Buffer): boolean {
  let next = 0;
  for (let at = block.indexOf(IPTC_RESOURCE); at >= 0; at = block.indexOf(IPTC_RESOURCE, next)) {
    next = at + IPTC_RESOURCE.length;
    if (next >= block.length) return false;
    const name = block.readUInt8(next) + 1;
    const start = next + name + (name % 2) + 4;
    if (start > block.length) continue;
    const end = Math.min(start + block.readUInt32BE(start - 4), block.length);
    if (end > start && cleanIptc(block.subarray(start, end)) !== null) return true;
    next = end;
  }
  return false;
}

/** XMP, the place of a film, or words that name a position. */
function holdsPlaceInText(block: Buffer): boolean {
  // Without its zeros, UTF-16 reads as ASCII.
  const text = block.toString('latin1').replaceAll('\0', '');
  if (FILM.test(text) && FILM_PLACE.test(text)) return true;
  if (!PACKET.test(text)) return POSITION.test(text);
  return FILLED_POSITION.test(text) || cleanXmp(block) !== null;
}
