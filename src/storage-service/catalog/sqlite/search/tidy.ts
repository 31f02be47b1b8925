import type { Statements } from '../statements.ts';

/** FTS5 writes about so many pages in one step: some 10 ms, for which writes wait. */
const STEP_PAGES = 100;
/** Merging everything costs about 20 µs for each image; searches gain twofold to fourfold. */
const CHANGES_MIN = 1_000;
const CHANGED_SHARE = 0.1;

/**
 * Merges the segments that full-text rows were written in: every commit leaves one, and a search
 * asks each. FTS5 itself merges only so far that writing stays cheap.
 */
export class Tidy {
  readonly #statements: Statements;
  #changes = 0;
  #merging = false;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  changed(rows: number): void {
    this.#changes += rows;
  }

  /** One step, when enough has changed to be worth it. True while there is more to do. */
  step(): boolean {
    if (!this.#merging) {
      const images = this.#statements.get('select max(seq) as images from images')?.images ?? 0;
      const enough = Math.max(CHANGES_MIN, (images as number) * CHANGED_SHARE);
      if (this.#changes < enough) return false;
      this.#changes = 0;
      this.#merging = true;
    }
    const before = this.#totalChanges();
    // A negative number merges until one segment is left, and not only full levels.
    const sql = "insert into search_live (search_live, rank) values ('merge', ?)";
    this.#statements.run(sql, -STEP_PAGES);
    // https://sqlite.org/fts5.html#the_merge_command: fewer than two changes mean nothing to merge.
    this.#merging = this.#totalChanges() - before >= 2;
    return this.#merging;
  }

  #totalChanges(): number {
    return this.#statements.get('select total_changes() as changes')?.changes as number;
  }
}
