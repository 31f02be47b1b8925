/** The formats taken: the name in filters, and the media type in answers. */
export const MEDIA_TYPES = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  avif: 'image/avif',
} as const;
export type Format = keyof typeof MEDIA_TYPES;
export const FORMATS = Object.keys(MEDIA_TYPES) as Format[];

/** Where the bytes of an image are; `v` makes the address of one content immutable. */
export function contentUrl(imageId: string, sha256: string): string {
  return `/api/v2/images/${imageId}/content?v=${sha256.slice(0, 16)}`;
}
