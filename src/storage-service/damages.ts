import type { Damage, DamageObserver } from './blobs/damage.ts';
import type { Catalog } from './catalog/catalog.ts';

/** Blobs remembered as damaged; a disk with more has lost nearly all. */
const KNOWN_MAX = 10_000;
/** Images named for one blob. */
const NAMED_IMAGES = 5;

type Log = {
  error(data: object, message: string): void;
  info(data: object, message: string): void;
};

/** The blobs whose bytes are known to be damaged or missing: one line in the log for each. */
export class Damages implements DamageObserver {
  readonly #catalog: Pick<Catalog, 'imagesOfBlob'>;
  readonly #log: Log;
  readonly #known = new Map<string, Damage>();

  constructor(catalog: Pick<Catalog, 'imagesOfBlob'>, log: Log) {
    this.#catalog = catalog;
    this.#log = log;
  }

  /** How many blobs have each damage. */
  get counts(): Record<Damage, number> {
    const counts = { missing: 0, size: 0, hash: 0, unreadable: 0 };
    for (const damage of this.#known.values()) counts[damage] += 1;
    return counts;
  }

  damaged(sha256: string, damage: Damage): void {
    if (this.#known.get(sha256) === damage || this.#known.size >= KNOWN_MAX) return;
    this.#known.set(sha256, damage);
    void this.#tell(sha256, damage);
  }

  sound(sha256: string): void {
    if (!this.#known.delete(sha256)) return;
    this.#log.info({ sha256 }, 'A damaged blob is sound again, or gone');
  }

  async #tell(sha256: string, damage: Damage): Promise<void> {
    // Without them the hash still tells.
    const images = await this.#catalog.imagesOfBlob(sha256, NAMED_IMAGES).catch(() => []);
    this.#log.error(
      { sha256, damage, images },
      'The stored bytes of a blob are damaged; send the same file again, or restore it from a backup',
    );
  }
}
