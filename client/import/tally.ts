/** Enough to see what is wrong, few enough to read and to keep. */
const REFUSED_SHOWN_MAX = 100;
/** For each reason. */
const SKIPPED_SHOWN_MAX = 20;

const NOT_AN_IMAGE = 'not a PNG, JPEG, WebP, GIF or AVIF image';

/** How many entries were skipped for one reason, and the first of them. */
export type Skipped = { count: number; paths: string[] };

/** How the entries of a folder fared in an import. */
export class Tally {
  taken = 0;
  takenBytes = 0;
  alreadyThere = 0;
  /** Imported once and deleted by somebody since. */
  deletedThere = 0;
  notImages = 0;
  /** By the reason. */
  readonly skipped = new Map<string, Skipped>();
  refused = 0;
  /** The first of them. */
  readonly refusals: { path: string; code: string; message: string }[] = [];
  /** Why the import ended before the last file. */
  stopped: string | undefined;
  readonly #startedAt = performance.now();

  /** Images found, whether or not the service accepted them. */
  get images(): number {
    return this.taken + this.alreadyThere + this.deletedThere + this.refused;
  }

  /** Files that need no more work. */
  get files(): number {
    return this.images + this.notImages;
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  take(bytes: number): void {
    this.taken++;
    this.takenBytes += bytes;
  }

  skip(path: string, reason: string): void {
    const skipped = this.skipped.get(reason) ?? { count: 0, paths: [] };
    this.skipped.set(reason, skipped);
    skipped.count++;
    if (skipped.paths.length < SKIPPED_SHOWN_MAX) skipped.paths.push(path);
  }

  skipNotImage(path: string): void {
    this.notImages++;
    this.skip(path, NOT_AN_IMAGE);
  }

  refuse(path: string, { code, message }: { code: string; message: string }): void {
    this.refused++;
    if (this.refusals.length < REFUSED_SHOWN_MAX) this.refusals.push({ path, code, message });
  }
}
