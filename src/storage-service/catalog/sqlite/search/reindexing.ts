import { IMAGE_COLUMNS, nameKey, type Row, toImage } from '../rows.ts';
import type { Statements } from '../statements.ts';
import type { SearchIndex } from './search-index.ts';

/** Images looked at in one step, and indexed in it: some 20 ms, for which writes wait. */
const STEP_IMAGES = 2_000;
const STEP_INDEXED_IMAGES = 100;

/**
 * A character that earlier releases searched differently: one beyond ASCII, or one that joins words.
 * The search rows of texts without any are right already.
 */
const CHANGED = '*[^\u0001-&(-,.-^`-\u007f]*';

/**
 * Indexes images anew that were indexed by an earlier release, a few at a time, while the service
 * works: such an image is found as before until its turn comes. The migration sets where to end, and a
 * service that dies goes on where it was.
 */
export class Reindexing {
  readonly #statements: Statements;
  readonly #index: SearchIndex;

  constructor(statements: Statements, index: SearchIndex) {
    this.#statements = statements;
    this.#index = index;
  }

  /** One step. How many images are still to be looked at. */
  step(): number {
    const end = this.#setting('reindex_end');
    if (end === undefined) return 0;
    const from = this.#setting('reindexed') ?? 0;
    const to = Math.min(end, from + STEP_IMAGES);
    const rows = this.#statements.all(
      `select ${IMAGE_COLUMNS}, i.name_key from images i join blobs b on b.id = i.blob
       where i.seq > ?1 and i.seq <= ?2 and
         (i.name glob ?3 or i.description glob ?3 or i.tags glob ?3 or i.attributes glob ?3)
       order by i.seq limit ?4`,
      from,
      to,
      CHANGED,
      STEP_INDEXED_IMAGES,
    );
    for (const row of rows) this.#reindex(row);
    const done = rows.length < STEP_INDEXED_IMAGES ? to : (rows.at(-1)!.seq as number);
    if (done >= end) endReindexing(this.#statements);
    else this.#statements.run(`insert or replace into settings values ('reindexed', ?)`, done);
    return end - done;
  }

  #reindex(row: Row): void {
    const image = toImage(row);
    const seq = row.seq as number;
    this.#index.add(this.#index.prepare(seq, image, image));
    const key = nameKey(image.name);
    if (key === row.name_key) return;
    this.#statements.run('update images set name_key = ? where seq = ?', key, seq);
  }

  #setting(name: string): number | undefined {
    return this.#statements.get('select value from settings where name = ?', name)?.value as
      | number
      | undefined;
  }
}

/** All images are indexed as this release does. */
export function endReindexing(statements: Statements): void {
  statements.run(`delete from settings where name in ('reindexed', 'reindex_end')`);
}
