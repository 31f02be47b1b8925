import { invalid } from '../../../../contract/errors.ts';
import type { ImageFilter } from '../../../../contract/image.ts';
import { SEARCH_MAX_WORDS, SEARCH_PREFIX_MIN_CHARACTERS } from '../../../../contract/limits.ts';
import type { Statements } from '../statements.ts';
import { ANY, facet, sideAtLeast } from './tokens.ts';
import type { Vocabulary } from './vocabulary.ts';
import { queryTerms } from './words.ts';

/** A beginning that at most so many known words have is searched as those words (about 10 ms). */
const PREFIX_MAX_WORDS = 300;
/** Beginnings of this length and shorter have an index of their own in the full-text tables. */
const PREFIX_INDEXED_CHARACTERS = 4;

/** Alternatives, of which one must match: expressions of FTS5. */
type Group = string[];

/**
 * A filter as one full-text query. `themes` are those that the filter's names stand for.
 * Throws invalid_request when `q` holds too many words; one without any searches for nothing.
 */
export function matchOf(
  filter: ImageFilter,
  themes: readonly string[] | undefined,
  vocabulary: Vocabulary,
  statements: Statements,
): string {
  const groups = facetGroups(filter, themes);
  if (filter.q !== undefined) groups.push(...wordGroups(filter.q, vocabulary, statements));
  if (groups.length === 0) groups.push([quoted(ANY)]);
  return groups.map((group) => `(${group.join(' OR ')})`).join(' AND ');
}

function facetGroups(filter: ImageFilter, themes: readonly string[] | undefined): Group[] {
  const alternatives: [string, readonly string[] | undefined][] = [
    ['theme', themes],
    ['type', filter.type],
    ['subtype', filter.subtype],
    ['source_type', filter.source_type],
    ['source_id', filter.source_id],
    ['owner', filter.owner],
    ['visibility', filter.visibility],
    ['format', filter.format],
    ...(filter.tag ?? []).map((tag): [string, string[]] => ['tag', [tag]]),
    ...Object.entries(filter.attr ?? {}).map(([key, values]): [string, string[]] => [
      `attr.${key}`,
      values,
    ]),
  ];
  const groups: Group[] = [];
  for (const [name, values] of alternatives) {
    if (values) groups.push(values.map((value) => quoted(facet(name, value))));
  }
  for (const side of ['width', 'height'] as const) {
    const min = filter[`min_${side}`] ?? 1;
    if (min > 1) groups.push(sideAtLeast(side, min).map(quoted));
  }
  return groups;
}

/** Each term stands in the row, or names or means the row's theme; the last may be a beginning. */
function wordGroups(q: string, vocabulary: Vocabulary, statements: Statements): Group[] {
  const terms = queryTerms(q);
  if (terms.length > SEARCH_MAX_WORDS) {
    throw invalid([{ field: 'q', message: `must be up to ${SEARCH_MAX_WORDS} words` }]);
  }
  return terms.map(({ choices, open }, index) => {
    const last = open && index === terms.length - 1;
    return choices.flatMap((tokens) => {
      const end = tokens.at(-1)!;
      const prefix = last && [...end].length >= SEARCH_PREFIX_MIN_CHARACTERS;
      const required = tokens.slice(0, -1).map(quoted);
      const ends = prefix ? beginnings(end, statements) : [quoted(end)];
      const themes = vocabulary.themesOf(tokens, prefix).map((theme) => facet('theme', theme));
      return [allOf(required, ends), ...themes.map(quoted)];
    });
  });
}

function allOf(required: string[], ends: Group): string {
  const end = ends.length === 1 ? ends[0]! : `(${ends.join(' OR ')})`;
  return required.length === 0 ? ends.join(' OR ') : `(${[...required, end].join(' AND ')})`;
}

/**
 * A beginning without an index is gathered whole by FTS5 before the first match is known; as a
 * choice of words it is walked, and the walk ends with the page.
 */
function beginnings(start: string, statements: Statements): Group {
  if ([...start].length > PREFIX_INDEXED_CHARACTERS) {
    const words = statements.all(
      `select word from words where word >= ?1 and word < ?2
       union select word from new_words where word >= ?1 and word < ?2 limit ?3`,
      start,
      `${start}\u{10ffff}`,
      PREFIX_MAX_WORDS + 1,
    );
    if (words.length === 0) return [quoted(start)];
    if (words.length <= PREFIX_MAX_WORDS) return words.map(({ word }) => quoted(word as string));
  }
  return [`${quoted(start)} *`];
}

/** Tokens hold letters, digits, marks, emoji and colons only. */
function quoted(token: string): string {
  return `"${token}"`;
}
