import { LOCATED } from '../storage/simulated-intake.ts';
import type { World } from '../world/world.ts';

/**
 * Bytes to upload. Who uploads at the same time often has the same ones, and after a while comes to
 * others: so that the last to need a blob goes while the next one comes.
 */
export class Contents {
  readonly #world: World;
  #drawn = 0;

  constructor(world: World) {
    this.#world = world;
  }

  next(): Buffer {
    const { chance, profile } = this.#world;
    const first = Math.floor(this.#drawn++ / profile.contentUses);
    const bytes = Buffer.from(`content ${first + chance.below(profile.contents)}`);
    // The same but for what the intake removes.
    return chance.oneIn(4) ? Buffer.concat([LOCATED, bytes]) : bytes;
  }
}
