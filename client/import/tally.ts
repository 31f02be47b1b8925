/** Enough to see what is wrong, few enough to read and to keep. */
const REFUSED_SHOWN_MAX = 100;

/** How the entries of a folder fared in an import. */
export class Tally {
  taken = 0;
  takenBytes = 0;
  alreadyThere = 0;
  /** Imported once and deleted by somebody since. */
  deletedThere = 0;
  notImages = 0;
  /** Why entries other than files were passed over, and how many. */
  readonly passedOver = new Map<string, number>();
  refused = 0;
  /** The first of them. */
  readonly refusals: { path: string; code: string; message: string }[] = [];
  /** Why the import ended before the last file. */
  stopped: string | undefined;
  readonly #startedAt = performance.now();

  /** Files that need no more work. */
  get files(): number {
    return this.taken + this.alreadyThere + this.deletedThere + this.notImages + this.refused;
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  take(bytes: number): void {
    this.taken++;
    this.takenBytes += bytes;
  }

  passOver(reason: string): void {
    this.passedOver.set(reason, (this.passedOver.get(reason) ?? 0) + 1);
  }

  refuse(path: string, { code, message }: { code: string; message: string }): void {
    this.refused++;
    if (this.refusals.length < REFUSED_SHOWN_MAX) this.refusals.push({ path, code, message });
  }
}
