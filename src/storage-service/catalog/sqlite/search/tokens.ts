import { hash } from 'node:crypto';
import { FORMATS, MEDIA_TYPES } from '../../../../contract/formats.ts';
import type { Image, ImageContent } from '../../../../contract/image.ts';
import { searchTokens } from './words.ts';

/**
 * One full-text column holds two kinds of token for each image: its words, and its facets. A facet
 * is a fact to filter by, such as theme = horror, made into one token, so that any mix of filters
 * and words is a single full-text query, which walks the newest matches and stops after a page.
 *
 * A facet starts with ':::', which no word contains; equal starts also keep the facets out of the
 * prefix indexes, which then hold one entry for all of them.
 */

/** 16 hexadecimal digits of SHA-256: two different facts of a million images collide never. */
const FACET_HEX_DIGITS = 16;
/** Tokens remembered (about 2 MB): most images share their facts with many others. */
const KNOWN_FACETS_MAX = 10_000;
const KNOWN_FACT_MAX_CHARACTERS = 100;
/** Facts of one image each. */
const UNSHARED: ReadonlySet<string> = new Set(['source_id']);
/** By name and value. */
const facets = new Map<string, Map<string, string>>();
let knownFacets = 0;
/** A side has 16 bits, taken four at a time. */
const RANGE_STEP_BITS = 4;
const RANGE_BITS = 16;

/** The token of one fact. Names and values are any text. */
export function facet(name: string, value: string): string {
  const known = facets.get(name)?.get(value);
  if (known !== undefined) return known;
  const digest = hash('sha256', `${name}\0${value}`, 'hex');
  const token = `:::${digest.slice(0, FACET_HEX_DIGITS)}`;
  if (!UNSHARED.has(name) && name.length + value.length <= KNOWN_FACT_MAX_CHARACTERS) {
    remember(name, value, token);
  }
  return token;
}

function remember(name: string, value: string, token: string): void {
  if (knownFacets >= KNOWN_FACETS_MAX) {
    facets.clear();
    knownFacets = 0;
  }
  const values = facets.get(name);
  if (values) values.set(value, token);
  else facets.set(name, new Map([[value, token]]));
  knownFacets++;
}

/** Stands in every row. */
export const ANY = ':::any';

/** Words and pieces of words that find an image. What is named first is never left out for length. */
export function imageTokens(image: Image): ReturnType<typeof searchTokens> {
  const texts = [image.name, image.theme, ...image.tags, image.description ?? ''];
  for (const value of Object.values(image.attributes).flat()) {
    if (value !== null) texts.push(String(value));
  }
  return searchTokens(texts.join(' '));
}

/** Facets that find an image. */
export function imageFacets(image: Image): string[] {
  const tokens = new Set([ANY]);
  const add = (name: string, value: string | null) => {
    if (value !== null) tokens.add(facet(name, value));
  };
  add('type', image.type);
  add('subtype', image.subtype);
  add('theme', image.theme);
  add('source_type', image.source_type);
  add('source_id', image.source_id);
  add('owner', image.owner);
  add('visibility', image.visibility);
  add('format', formatName(image.content));
  for (const tag of image.tags) add('tag', tag);
  for (const [key, value] of Object.entries(image.attributes)) {
    for (const scalar of Array.isArray(value) ? value : [value]) add(`attr.${key}`, String(scalar));
  }
  for (const side of ['width', 'height'] as const) {
    for (const token of sideTokens(side, image.content[side])) tokens.add(token);
  }
  return [...tokens];
}

function formatName(content: ImageContent): string {
  return FORMATS.find((format) => MEDIA_TYPES[format] === content.media_type) ?? '';
}

/**
 * Ranges by a trie, as in Lucene's numeric fields: a value carries a token for each of its binary
 * prefixes, and a range is the union of a few prefixes. 0x1234 carries 1, 12, 123 and 1234.
 */
function sideTokens(side: 'width' | 'height', value: number): string[] {
  const tokens: string[] = [];
  for (let shift = 0; shift < RANGE_BITS; shift += RANGE_STEP_BITS) {
    tokens.push(sideToken(side, shift, value >> shift));
  }
  return tokens;
}

/** Tokens of which every value ≥ `min` has exactly one, and no smaller value has any. */
export function sideAtLeast(side: 'width' | 'height', min: number): string[] {
  const tokens: string[] = [];
  const fanOut = 1 << RANGE_STEP_BITS;
  let from = min;
  for (let shift = 0; shift < RANGE_BITS; shift += RANGE_STEP_BITS) {
    // The siblings from here to the end of this parent; the parents after it are next.
    const end = (Math.floor((from - 1) / fanOut) + 1) * fanOut;
    const last = shift + RANGE_STEP_BITS >= RANGE_BITS ? fanOut : end;
    for (let prefix = from; prefix < last; prefix++) tokens.push(sideToken(side, shift, prefix));
    from = end / fanOut;
  }
  return tokens;
}

function sideToken(side: string, shift: number, prefix: number): string {
  return `:::${side}${shift}x${prefix.toString(16)}`;
}
