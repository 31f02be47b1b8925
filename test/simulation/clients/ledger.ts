import { isDeepStrictEqual } from 'node:util';
import type { Image } from '../../../src/contract/image.ts';
import type { World } from '../world/world.ts';

/** What clients were told of one image. */
export class ImageRecord {
  readonly id: string;
  /** Answers of the writes that made a version: creations, updates, replacements. */
  readonly changes = new Map<number, Image>();
  deletionsBegun = 0;
  deletions = 0;
  restorations = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** The last version that a client knows of. */
  get version(): number {
    return Math.max(...this.changes.keys());
  }
}

/** All that clients were told: what the storage must stand by. */
export class Ledger {
  readonly images = new Map<string, ImageRecord>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  created(image: Image): void {
    if (this.images.has(image.id)) {
      this.#world.broken('every creation makes an image of its own', this.#nameOf(image.id));
    }
    if (image.version !== 1) {
      this.#world.broken('an image begins with version 1', `${this.#nameOf(image.id)} does not`);
    }
    this.images.set(image.id, new ImageRecord(image.id));
    this.changed(image);
  }

  changed(image: Image): void {
    const { changes } = this.images.get(image.id)!;
    if (changes.has(image.version)) {
      const what = `two writes made version ${image.version} of ${this.#nameOf(image.id)}`;
      this.#world.broken('every write makes a version of its own', what);
    }
    changes.set(image.version, image);
  }

  /** An image as it was read is one that a write has told of, if any did. */
  seen(image: Image): void {
    const told = this.images.get(image.id)?.changes.get(image.version);
    if (!told || isDeepStrictEqual(told, image)) return;
    const what = `version ${image.version} of ${this.#nameOf(image.id)}`;
    this.#world.broken('what is read is what was written', what);
  }

  #nameOf(imageId: string): string {
    return this.#world.trace.name('image', imageId);
  }
}
