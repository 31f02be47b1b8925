import { folded } from '../../../../contract/folded.ts';

/**
 * What of a text is searched for, in rows and in queries alike.
 *
 * A word is a run of letters and digits. Words joined by a hyphen, an apostrophe or an underscore are
 * found by each of them, and written as one: half-elf by half, elf and halfelf. Scripts that are
 * written without spaces have no words to look for: their runs are found by pairs of characters that
 * overlap, as no segmentation of a row is sure to agree with that of a query. An emoji is a word.
 */

/** Longer words are cut, in rows and in queries alike. */
const WORD_MAX_CHARACTERS = 64;
/** Of one run of a query, so that one query is bounded: the rest of a longer run is not compared. */
const QUERY_RUN_MAX_CHARACTERS = 64;
/**
 * Single characters and pairs of one image. A description of the greatest length has at most 8,000;
 * more are left out, so that one image cannot make the index large.
 */
const IMAGE_MAX_PIECES = 12_000;
/** No word starts so; equal starts keep pieces out of the prefix indexes, as with facets. */
const PIECE_MARK = '::::';

/** Hangul has spaces, but its compounds have not. */
const UNSPACED =
  '\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Bopo}\\p{scx=Hang}\\p{scx=Yi}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmr}\\p{scx=Mymr}\\p{scx=Tibt}\\p{scx=Lana}\\p{scx=Talu}\\p{scx=Tale}\\p{scx=Java}\\p{scx=Bali}';
const RUN = `[[\\p{L}\\p{N}\\p{M}]&&[${UNSPACED}]]+`;
const WORD = `[[\\p{L}\\p{N}]--[${UNSPACED}]][[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]*`;
const EMOJI = '\\p{RI}\\p{RI}|\\p{Extended_Pictographic}';
const TERM = new RegExp(
  `(?<run>${RUN})|(?<words>${WORD}(?:['_\\-]${WORD})*)|(?<emoji>${EMOJI})`,
  'gv',
);
/** The same for texts of ASCII alone, several times faster. */
const ASCII_TERM = /[a-z0-9]+(?:['_-][a-z0-9]+)*/g;
const ASCII = /^[\0-\x7f]*$/;
const JOINT = /['_-]/;

/** What a row must hold for one term of a query: all tokens of at least one of the choices. */
export type Term = {
  choices: readonly (readonly string[])[];
  /** Its last word may be the beginning of another. */
  open: boolean;
};

type Found = { run?: string; words?: string; emoji?: string };

/** Words of a text, in order, once each; runs of unspaced scripts are whole. */
export function wordsOf(text: string): string[] {
  const words = new Set<string>();
  for (const { run, words: joined } of found(text)) {
    if (run !== undefined) words.add(cut(run));
    for (const word of joined?.split(JOINT) ?? []) words.add(cut(word));
  }
  return [...words];
}

/** Tokens that find a text: words, which may be searched by their beginnings, and pieces. */
export function searchTokens(text: string): { words: Set<string>; pieces: Set<string> } {
  const words = new Set<string>();
  const pieces = new Set<string>();
  for (const { run, words: joined, emoji } of found(text)) {
    if (joined !== undefined) addJoined(joined, words);
    else if (pieces.size >= IMAGE_MAX_PIECES) continue;
    else if (run !== undefined) for (const one of piecesOf(run)) pieces.add(one);
    else pieces.add(piece(emoji!));
  }
  return { words, pieces };
}

/** Terms of a query, in order, once each. */
export function queryTerms(q: string): Term[] {
  const terms = new Map<string, Term>();
  for (const { run, words, emoji } of found(q)) {
    if (run !== undefined) terms.set(run, { choices: [pairsOf(run)], open: false });
    else if (emoji !== undefined) terms.set(emoji, { choices: [[piece(emoji)]], open: false });
    else terms.set(words!, { choices: choicesOf(words!), open: true });
  }
  return [...terms.values()];
}

function found(text: string): Found[] {
  const plain = folded(text);
  if (ASCII.test(plain)) return (plain.match(ASCII_TERM) ?? []).map((words) => ({ words }));
  return Array.from(plain.matchAll(TERM), ({ groups }) => groups as Found);
}

function choicesOf(joined: string): string[][] {
  const apart = joined.split(JOINT).map(cut);
  return apart.length === 1 ? [apart] : [[cut(joined.replaceAll(/['_-]/gu, ''))], apart];
}

/** The words, each with its neighbour, and all of them in one. */
function addJoined(joined: string, words: Set<string>): void {
  if (!JOINT.test(joined)) {
    words.add(cut(joined));
    return;
  }
  const apart = joined.split(JOINT);
  for (const [index, word] of apart.entries()) {
    words.add(cut(word));
    if (index > 0) words.add(cut(apart[index - 1] + word));
  }
  words.add(cut(apart.join('')));
}

function piecesOf(run: string): string[] {
  const characters = [...run];
  const pieces = characters.map(piece);
  for (let index = 1; index < characters.length; index++) {
    pieces.push(piece(`${characters[index - 1]}${characters[index]}`));
  }
  return pieces;
}

function pairsOf(run: string): string[] {
  const characters = [...run].slice(0, QUERY_RUN_MAX_CHARACTERS);
  if (characters.length === 1) return characters.map(piece);
  return characters.slice(1).map((character, index) => piece(`${characters[index]}${character}`));
}

function piece(text: string): string {
  return `${PIECE_MARK}${text}`;
}

function cut(word: string): string {
  return word.length > WORD_MAX_CHARACTERS
    ? [...word].slice(0, WORD_MAX_CHARACTERS).join('')
    : word;
}
