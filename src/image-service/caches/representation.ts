import type { Image } from '../../contract/image.ts';
import { type Json, toJson } from '../../contract/json.ts';
import type { Validators } from '../delivery/conditions.ts';
import { SECURITY_HEADERS } from '../security-headers.ts';

/** One version of an image, with everything that its answers have in common. */
export type Representation = Validators & {
  image: Image;
  text: Json<Image>;
  /** The query that makes an address immutable. */
  revision: string;
  fixed: HeaderSet;
  changing: HeaderSet;
};

/**
 * Headers of whole and partial answers, and of 304. Of those that both have a 304 must repeat the values:
 * it replaces what a cache keeps (RFC 9111, 4.3.4).
 */
export type HeaderSet = { content: RawHeaders; notModified: RawHeaders };

/** Names and values in turn, which Node writes with less work than an object. */
export type RawHeaders = readonly string[];

const YEAR_SECONDS = 31_536_000;

export function represent(image: Image): Representation {
  const { content, visibility } = image;
  const open = visibility === 'public';
  // A clock that was ahead leaves times of the future, which RFC 9110, 8.8.2.1 forbids here.
  const modified = Math.min(Date.parse(image.content.updated_at), Date.now());
  const lastModified = Math.floor(modified / 1000) * 1000;
  const etag = `"${content.sha256}"`;
  const headers = (cacheControl: string): HeaderSet => {
    const notModified: Record<string, string> = {
      ...SECURITY_HEADERS,
      // Whatever the bytes are, a browser that opens them alone runs nothing in them.
      'content-security-policy': "default-src 'none'; sandbox",
      etag,
      'cache-control': cacheControl,
      'last-modified': new Date(lastModified).toUTCString(),
    };
    const whole = {
      ...notModified,
      'content-type': content.media_type,
      // Before the length: after it, Node makes a Buffer of this and text of that, which takes 2 µs.
      'content-disposition': contentDisposition(content.filename),
      'content-length': String(content.size_bytes),
      'accept-ranges': 'bytes',
    };
    return {
      content: Object.entries(whole).flat(),
      notModified: Object.entries(notModified).flat(),
    };
  };
  return {
    image,
    text: toJson(image),
    etag,
    lastModified,
    revision: content.url.slice(content.url.indexOf('?') + 1),
    fixed: headers(open ? `public, max-age=${YEAR_SECONDS}, immutable` : 'private, no-store'),
    changing: headers(open ? 'no-cache' : 'private, no-store'),
  };
}

/** RFC 6266 with both forms of the name: plain for old readers, RFC 8187 for all others. */
export function contentDisposition(filename: string | null): string {
  if (!filename) return 'inline';
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(filename.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const extended = plain === filename ? '' : `; filename*=UTF-8''${encoded}`;
  return `inline; filename="${plain}"${extended}`;
}
