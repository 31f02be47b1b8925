/** Entries of Exif that the search for a place looks at (Exif 2.32, §4.6). */

export const ORIENTATION = 0x0112;
export const SUB_IFDS = 0x014a;
export const THUMBNAIL_OFFSET = 0x0201;
export const THUMBNAIL_BYTES = 0x0202;
export const EXIF_IFD = 0x8769;
export const GPS_IFD = 0x8825;
export const MAKER_NOTE = 0x927c;
export const INTEROPERABILITY_IFD = 0xa005;
/** GeoTIFF: pixel scale, tie points, transformation, keys and their parameters. */
export const GEO_TAGS = new Set([0x830e, 0x8482, 0x85d8, 0x87af, 0x87b0, 0x87b1]);
/**
 * Entries of a GPS directory that tell no place (Exif 2.32, §4.6.6): version, references, time,
 * status, mode, precision, speed, track, direction, datum, method, date, correction, error.
 */
export const GPS_WITHOUT_PLACE = new Set([
  0, 1, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 23, 25, 27, 29, 30, 31,
]);
