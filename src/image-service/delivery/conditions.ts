import type { IncomingHttpHeaders } from 'node:http';
import { type ErrorCode, invalid, ServiceError } from '../../contract/errors.ts';

/** What a conditional request is compared with. `lastModified` is in whole seconds, as ms. */
export type Validators = { etag: string; lastModified: number };

/** Opaque tags, without their quotes. */
export type EntityTags = '*' | { strong: string[]; weak: string[] };

const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g;
/** A date is a strong validator once its second is over (RFC 9110, 8.8.2.2). */
const DATE_STRONG_MS = 1_000;
/** Each may be a write of its own. A client knows few versions of an image. */
const DEMANDED_MAX_TAGS = 16;

/** A malformed list holds no tag, and so matches nothing. */
export function parseEntityTags(header: string): EntityTags {
  if (header.trim() === '*') return '*';
  const tags: EntityTags = { strong: [], weak: [] };
  for (const [, weak, tag] of header.matchAll(ENTITY_TAG)) {
    tags[weak ? 'weak' : 'strong'].push(tag!);
  }
  return tags;
}

/** The answer that the preconditions of a GET or HEAD lead to, in the order of RFC 9110, 13.2.2. */
export function evaluate(headers: IncomingHttpHeaders, current: Validators): 200 | 304 | 412 {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifMatch !== undefined) {
    if (!matchesStrongly(ifMatch, current.etag)) return 412;
  } else if (headers['if-unmodified-since'] !== undefined) {
    const date = parseDate(headers['if-unmodified-since']);
    if (date !== undefined && current.lastModified > date) return 412;
  }
  if (ifNoneMatch !== undefined) {
    return ifNoneMatch === current.etag || matchesWeakly(ifNoneMatch, current.etag) ? 304 : 200;
  }
  if (headers['if-modified-since'] !== undefined) {
    const date = parseDate(headers['if-modified-since']);
    if (date !== undefined && current.lastModified <= date) return 304;
  }
  return 200;
}

/** Whether a Range may be honoured: If-Range is absent or names exactly the current bytes. */
export function rangeApplies(ifRange: string | undefined, current: Validators): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.includes('"')) return ifRange.trim() === current.etag;
  const strong = Date.now() - current.lastModified >= DATE_STRONG_MS;
  return strong && parseDate(ifRange) === current.lastModified;
}

function matchesStrongly(header: string, etag: string): boolean {
  const tags = parseEntityTags(header);
  return tags === '*' || tags.strong.some((tag) => `"${tag}"` === etag);
}

function matchesWeakly(header: string, etag: string): boolean {
  const tags = parseEntityTags(header);
  return tags === '*' || [...tags.strong, ...tags.weak].some((tag) => `"${tag}"` === etag);
}

/** The three forms of RFC 9110, 5.6.7; the last of them names no zone and means GMT. */
export function parseDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d( GMT| \d{4})$/.test(text)) return undefined;
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

/**
 * The tags of which a write demands one (If-Match), for storage to compare when it commits:
 * undefined without a demand. Throws invalid_request for what is no ETag, and precondition_failed
 * when all tags are weak, which match nothing.
 */
export function demandedTags(ifMatch: string | undefined): string[] | undefined {
  const tags = ifMatch === undefined ? '*' : parseEntityTags(ifMatch);
  if (tags === '*') return undefined;
  if (tags.strong.length > DEMANDED_MAX_TAGS) {
    throw invalid([{ field: 'If-Match', message: `must be up to ${DEMANDED_MAX_TAGS} tags` }]);
  }
  if (tags.strong.length > 0) return tags.strong;
  const [weak] = tags.weak;
  if (weak === undefined) throw invalid([{ field: 'If-Match', message: unquoted(ifMatch!) }]);
  const message = `If-Match compares strongly, so W/"${weak}" matches nothing; send "${weak}".`;
  throw new ServiceError('precondition_failed', message);
}

function unquoted(header: string): string {
  const value = header.trim();
  if (/^[\w.-]{1,100}$/.test(value)) return `is ${value} without quotes; must be "${value}"`;
  return 'must be *, or ETags in double quotes, such as "1"';
}

/** The outcome of the first that is not refused with this code; else how the last was refused. */
export async function inTurn<T, R>(
  candidates: readonly T[],
  refusal: ErrorCode,
  attempt: (candidate: T) => Promise<R>,
): Promise<R> {
  const last = candidates.at(-1)!;
  for (const candidate of candidates.slice(0, -1)) {
    try {
      return await attempt(candidate);
    } catch (thrown) {
      if (!(thrown instanceof ServiceError) || thrown.code !== refusal) throw thrown;
    }
  }
  return attempt(last);
}
