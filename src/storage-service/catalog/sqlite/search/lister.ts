import type { DatabaseSync } from 'node:sqlite';
import { ServiceError } from '../../../../contract/errors.ts';
import type { ImageFilter, ImagePage } from '../../../../contract/image.ts';
import { PAGE_DEFAULT_ITEMS } from '../../../../contract/limits.ts';
import { IMAGE_COLUMNS, type Row, toImage } from '../rows.ts';
import { SEARCH_ORIGIN } from '../schema.ts';
import { Statements } from '../statements.ts';
import { allThemes } from '../writes/themes.ts';
import { decodeCursor, encodeCursor, type Position } from './cursor.ts';
import { hintsOf } from './hints.ts';
import { matchOf } from './match.ts';
import { FILTERED_COLUMNS, rowFilter } from './row-filter.ts';
import { searchTable } from './search-index.ts';
import { type TimeSpan, timeSpanOf } from './time-span.ts';
import { Vocabulary } from './vocabulary.ts';

/**
 * Up to so many matches are gathered and sorted (about 6 ms). When there are more, one image in two
 * hundred of a million matches, and a walk in the order of the sort fills a page sooner.
 */
const GATHER_MAX_ROWS = 5_000;

type Order = { column: string; direction: 'asc' | 'desc'; index: string };
const ORDERS: Record<'-updated_at' | 'name', Order> = {
  '-updated_at': { column: 'updated_at', direction: 'desc', index: 'images_by_update' },
  name: { column: 'name_key', direction: 'asc', index: 'images_by_name' },
};

/** What is asked of the tables: a filter, made ready. */
type Query = {
  filter: ImageFilter;
  match: string;
  themes: string[] | undefined;
  span: TimeSpan;
  position: Position | undefined;
  limit: number;
  deadline: number;
};

/** Lists and searches over the full-text tables; tokens.ts tells what they hold. */
export class Lister {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #cursorKey: Uint8Array;
  #vocabulary = new Vocabulary([]);
  #vocabularyVersion = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statements = new Statements(db);
    this.#cursorKey = this.#setting('cursor_key') as Uint8Array;
  }

  /** `deadline` in milliseconds since the epoch. */
  list(filter: ImageFilter, deadline: number): ImagePage {
    const limit = filter.limit ?? PAGE_DEFAULT_ITEMS;
    const sort = filter.sort ?? '-created_at';
    const query = this.#query(filter, limit + 1, deadline);
    const rows =
      sort === '-created_at' || sort === 'created_at'
        ? this.#byCreation(query, sort === 'created_at')
        : this.#byColumn(query, ORDERS[sort as keyof typeof ORDERS]);
    const items = rows.slice(0, limit).map(toImage);
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    const hints = hintsOf(filter, this.#vocabulary, items.length === 0);
    const told = hints.length > 0 ? { hints } : {};
    if (!last) return { items, next_cursor: null, ...told };
    const end = { key: last.sort_key ?? last.seq, seq: last.seq } as Position;
    return { items, next_cursor: encodeCursor(end, filter, this.#cursorKey), ...told };
  }

  #query(filter: ImageFilter, limit: number, deadline: number): Query {
    const vocabulary = this.#currentVocabulary();
    const families = filter.theme?.flatMap((theme) => {
      const family = vocabulary.familyOf(theme);
      return family.length > 0 ? family : [theme];
    });
    const themes = families && [...new Set(families)];
    const match = matchOf(filter, themes, vocabulary, this.#statements);
    const position =
      filter.cursor === undefined
        ? undefined
        : decodeCursor(filter.cursor, filter, this.#cursorKey);
    const span = timeSpanOf(filter, this.#statements);
    return { filter, match, themes, span, position, limit, deadline };
  }

  #byCreation({ filter, match, span, position, limit }: Query, ascending: boolean): Row[] {
    const { above, below } = span;
    const from = ascending ? Math.max(above, position?.seq ?? above) : above;
    const to = ascending ? below : Math.min(below, position?.seq ?? below);
    const sql = `select ${IMAGE_COLUMNS} ${matches(filter, span)}
      order by s.rowid ${ascending ? 'desc' : 'asc'} limit ?`;
    return this.#statements.all(sql, match, ...rowids(from, to), ...times(span), limit);
  }

  #byColumn(query: Query, order: Order): Row[] {
    const { filter, match, span, position, limit } = query;
    const { above, below } = span;
    const count = this.#statements.get(
      `select count(*) as count from
         (select 1 from ${searchTable(filter.deleted ?? false)} as s where ${searched(filter)} limit ?)`,
      match,
      ...rowids(above, below),
      GATHER_MAX_ROWS + 1,
    )?.count as number;
    if (count > GATHER_MAX_ROWS) return this.#walk(query, order);
    const { column } = order;
    return this.#page(
      `select i.seq, i.${column} as sort_key ${matches(filter, span)}
       ${position ? `and ${past(order)}` : ''} order by ${by(order)} limit ?`,
      order,
      [match, ...rowids(above, below), ...times(span), ...start(position), limit],
    );
  }

  #walk(query: Query, order: Order): Row[] {
    const { filter, themes, span, position, limit, deadline } = query;
    const { column, index } = order;
    const sql = `select i.seq, i.${column} as sort_key, i.created_at, ${FILTERED_COLUMNS}
      from images i indexed by ${index} join blobs b on b.id = i.blob
      ${position ? `where ${past(order)}` : ''} order by ${by(order)}`;
    const wanted = rowFilter(filter, themes);
    const found: Row[] = [];
    for (const row of this.#statements.iterate(sql, ...start(position))) {
      if (Date.now() > deadline) throw tooSlow();
      const created = row.created_at as number;
      if (created <= span.after || created >= span.before || !wanted(row)) continue;
      found.push({ seq: row.seq!, sort_key: row.sort_key! });
      if (found.length === limit) break;
    }
    return this.#page(
      `select value ->> 'seq' as seq, value ->> 'sort_key' as sort_key from json_each(?)`,
      order,
      [JSON.stringify(found)],
    );
  }

  /** Whole rows of the few that `chosen` selects: seq and sort_key, which order them. */
  #page(chosen: string, { direction }: Order, values: (string | number)[]): Row[] {
    const sql = `with chosen as (${chosen})
      select ${IMAGE_COLUMNS}, chosen.sort_key
      from chosen join images i on i.seq = chosen.seq join blobs b on b.id = i.blob
      order by chosen.sort_key ${direction}, i.seq ${direction}`;
    return this.#statements.all(sql, ...values);
  }

  #currentVocabulary(): Vocabulary {
    const version = this.#setting('vocabulary_version') as number;
    if (version !== this.#vocabularyVersion) {
      this.#vocabulary = new Vocabulary(allThemes(this.#db));
      this.#vocabularyVersion = version;
    }
    return this.#vocabulary;
  }

  #setting(name: string): unknown {
    return this.#statements.get('select value from settings where name = ?', name)?.value;
  }
}

/** Numbers are bound as REAL, for which FTS5 would ignore the bounds and scan: hence the casts. */
function searched(filter: ImageFilter): string {
  return `${searchTable(filter.deleted ?? false)} match ?
    and s.rowid > cast(? as integer) and s.rowid < cast(? as integer)`;
}

function matches(filter: ImageFilter, { exact }: TimeSpan): string {
  return `from ${searchTable(filter.deleted ?? false)} as s
    join images i on i.seq = ${SEARCH_ORIGIN} - s.rowid join blobs b on b.id = i.blob
    where ${searched(filter)}${exact ? '' : ' and i.created_at > ? and i.created_at < ?'}`;
}

function times({ exact, after, before }: TimeSpan): number[] {
  return exact ? [] : [after, before];
}

function rowids(above: number, below: number): [number, number] {
  return [SEARCH_ORIGIN - below, SEARCH_ORIGIN - above];
}

function by({ column, direction }: Order): string {
  return `i.${column} ${direction}, i.seq ${direction}`;
}

function start(position: Position | undefined): (string | number)[] {
  return position ? [position.key, position.seq] : [];
}

function past({ column, direction }: Order): string {
  return `(i.${column}, i.seq) ${direction === 'asc' ? '>' : '<'} (?, ?)`;
}

export function tooSlow(): ServiceError {
  const message = 'The list took too long and was stopped; narrow it with more filters.';
  return new ServiceError('deadline_exceeded', message);
}
