import type { Image } from '../../../../contract/image.ts';
import { SEARCH_ORIGIN } from '../schema.ts';
import type { Statements } from '../statements.ts';
import { imageFacets, imageTokens } from './tokens.ts';

/** Words remembered as known, so that common ones cost no look-up (about 5 MB). */
const KNOWN_WORDS_MAX = 50_000;
/** Every search by a beginning reads them (0.2 ms); the more at once, the fewer pages they change. */
const NEW_WORDS_MAX = 4_000;

/** What is to become of an image's full-text row. */
export type Indexing = {
  seq: number;
  tokens: string;
  deleted: boolean;
  /** Which table has a row already; null: neither. */
  wasDeleted: boolean | null;
};

/**
 * Full-text rows as they are written: gathered while commands run, and written last in their
 * transaction, in the order that FTS5 takes several times faster.
 */
export class SearchIndex {
  readonly #statements: Statements;
  readonly #words = new Set<string>();
  /** How many there are at most. */
  #newWords: number;
  /** By seq. */
  readonly #waiting = new Map<number, Indexing>();

  constructor(statements: Statements) {
    this.#statements = statements;
    this.#newWords = statements.get('select count(*) as count from new_words')?.count as number;
  }

  /** `before` is the image that has a row already. */
  prepare(seq: number, image: Image, before: Image | undefined): Indexing {
    const { words, pieces } = imageTokens(image);
    for (const word of words) this.#learn(word);
    const earlier = this.#waiting.get(seq);
    return {
      seq,
      tokens: [...words, ...pieces, ...imageFacets(image)].join(' '),
      deleted: image.deleted_at !== null,
      wasDeleted: earlier ? earlier.wasDeleted : before ? before.deleted_at !== null : null,
    };
  }

  add(indexing: Indexing): void {
    this.#waiting.set(indexing.seq, indexing);
  }

  /** Writes what was added. How many rows. */
  write(): number {
    // By rising rowids.
    const rows = [...this.#waiting.values()].sort((a, b) => b.seq - a.seq);
    this.#waiting.clear();
    for (const { seq, tokens, deleted, wasDeleted } of rows) {
      if (wasDeleted !== null && wasDeleted !== deleted) this.remove(seq, wasDeleted);
      this.#statements.run(
        `insert or replace into ${searchTable(deleted)} (rowid, tokens)
         values (cast(? as integer), ?)`,
        SEARCH_ORIGIN - seq,
        tokens,
      );
    }
    if (this.#newWords >= NEW_WORDS_MAX) this.#orderNewWords();
    return rows.length;
  }

  remove(seq: number, deleted: boolean): void {
    const sql = `delete from ${searchTable(deleted)} where rowid = cast(? as integer)`;
    this.#statements.run(sql, SEARCH_ORIGIN - seq);
  }

  /** Forgets what a transaction that was undone had put there. */
  undone(): void {
    this.#words.clear();
    this.#waiting.clear();
    // It may have put them in order.
    this.#newWords = NEW_WORDS_MAX;
  }

  #learn(word: string): void {
    if (this.#words.has(word)) return;
    this.#statements.run(
      `insert into new_words (word)
       select ?1 where not exists (select 1 from words where word = ?1)`,
      word,
    );
    this.#newWords++;
    if (this.#words.size >= KNOWN_WORDS_MAX) this.#words.clear();
    this.#words.add(word);
  }

  #orderNewWords(): void {
    this.#statements.run('insert or ignore into words select word from new_words order by word');
    this.#statements.run('delete from new_words');
    this.#newWords = 0;
  }
}

export function searchTable(deleted: boolean): string {
  return deleted ? 'search_deleted' : 'search_live';
}
