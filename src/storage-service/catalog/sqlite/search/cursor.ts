import { createHmac, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../../../../contract/errors.ts';
import type { ImageFilter } from '../../../../contract/image.ts';

/** Where a page ended: the sort key of its last image, and its seq to tell equals apart. */
export type Position = { key: string | number; seq: number };

const MAC_BYTES = 16;

/**
 * Cursors are opaque and authenticated. The authentication covers the filters and the sort as well,
 * so a cursor is worth nothing with others.
 */
export function encodeCursor(position: Position, filter: ImageFilter, key: Uint8Array): string {
  const body = Buffer.from(JSON.stringify([position.key, position.seq]));
  return Buffer.concat([mac(body, filter, key), body]).toString('base64url');
}

export function decodeCursor(cursor: string, filter: ImageFilter, key: Uint8Array): Position {
  const bytes = Buffer.from(cursor, 'base64url');
  const body = bytes.subarray(MAC_BYTES);
  const genuine =
    bytes.toString('base64url') === cursor &&
    body.length > 0 &&
    timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(body, filter, key));
  if (!genuine) {
    throw new ServiceError(
      'cursor_invalid',
      'The cursor does not belong to this list; send next_cursor as it was answered, with the same filters and sort.',
    );
  }
  const [sortKey, seq] = JSON.parse(body.toString()) as [string | number, number];
  return { key: sortKey, seq };
}

function mac(body: Uint8Array, filter: ImageFilter, key: Uint8Array): Buffer {
  const hmac = createHmac('sha256', key).update(canonical(filter)).update('\0').update(body);
  return hmac.digest().subarray(0, MAC_BYTES);
}

/** The page size may change from page to page; the order in which filters are named means nothing. */
function canonical({
  cursor: _,
  limit: __,
  sort = '-created_at',
  ...filters
}: ImageFilter): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return [...value].sort();
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return entries.sort().map(([name, inner]) => [name, sorted(inner)]);
  };
  return JSON.stringify(sorted({ ...filters, sort }));
}
