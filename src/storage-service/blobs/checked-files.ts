import type { Stats } from 'node:fs';
import { LRUCache } from 'lru-cache';

/**
 * How long the result of a comparison counts for a file that did not change. Hashing costs about as
 * much as delivering from the page cache, so each file is compared once in that time and not for
 * each reader. Whoever writes to a file changes its ctime and has it compared again at once. A bit
 * that the disk itself flips is noticed after this time at the latest, when the file is read whole.
 */
const RESULT_COUNTS_MS = 10 * 60 * 1000;
/** Some 200 bytes each. */
const RESULTS_MAX = 20_000;

type Result = Pick<Stats, 'ino' | 'size' | 'mtimeMs' | 'ctimeMs'> & { sound: boolean };

/** Files that were compared with their hash a short while ago, and what came of it. */
export class CheckedFiles {
  readonly #results = new LRUCache<string, Result>({ max: RESULTS_MAX, ttl: RESULT_COUNTS_MS });

  /** Undefined: it has to be compared. */
  soundness(sha256: string, stat: Stats): boolean | undefined {
    const result = this.#results.get(sha256);
    if (!result) return undefined;
    const same =
      result.ino === stat.ino &&
      result.size === stat.size &&
      result.mtimeMs === stat.mtimeMs &&
      result.ctimeMs === stat.ctimeMs;
    return same ? result.sound : undefined;
  }

  /** `stat` is of before the bytes were read. */
  record(sha256: string, { ino, size, mtimeMs, ctimeMs }: Stats, sound: boolean): void {
    this.#results.set(sha256, { ino, size, mtimeMs, ctimeMs, sound });
  }
}
