import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

/** About what the rows of one image hold together. */
const ROW_BYTES = 3_000;

/** What durable rows cost at the least: one narrow table, so many rows in each synced commit. */
export class PlainInserts implements Disposable {
  readonly #db: DatabaseSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec('pragma journal_mode = wal; pragma synchronous = full');
    this.#db.exec('create table rows (id integer primary key, bytes blob not null)');
  }

  /** Rows a second. */
  insert(rowsOfCommit: number, durationMs: number): number {
    const insert = this.#db.prepare('insert into rows (bytes) values (?)');
    const bytes = randomBytes(ROW_BYTES);
    const started = performance.now();
    let rows = 0;
    while (performance.now() - started < durationMs) {
      this.#db.exec('begin immediate');
      for (let row = 0; row < rowsOfCommit; row++) insert.run(bytes);
      this.#db.exec('commit');
      rows += rowsOfCommit;
    }
    return (rows * 1000) / (performance.now() - started);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
