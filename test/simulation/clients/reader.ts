import { hash } from 'node:crypto';
import { ServiceError } from '../../../src/contract/errors.ts';
import type { Image } from '../../../src/contract/image.ts';
import type { Edge } from '../edge/edge.ts';
import type { World } from '../world/world.ts';
import { ask, repeated } from './calls.ts';
import type { ImageRecord, Ledger } from './ledger.ts';

const READ_MS = 5_000;

type Surroundings = { world: World; ledger: Ledger; edge(): Edge };

/** Reads images with their bytes, and holds them against what clients were told. */
export class Reader {
  readonly #parts: Surroundings;

  constructor(parts: Surroundings) {
    this.#parts = parts;
  }

  /** At first by that edge, or any. */
  async read(record: ImageRecord, first?: Edge): Promise<void> {
    const { world, ledger } = this.#parts;
    const name = world.trace.name('image', record.id);
    let next = first;
    const read = await repeated(world, `read of ${name}`, () => {
      const edge = next ?? this.#parts.edge();
      next = undefined;
      return this.#readBy(edge, record, name);
    });
    if (read instanceof ServiceError) {
      if (read.code === 'image_not_found' && record.deletionsBegun > 0) return;
      world.broken('an image is there until it is deleted', `${name}: ${read.code}`);
      return;
    }
    ledger.seen(read);
    await this.#readContent(read);
  }

  async #readBy(edge: Edge, { id }: ImageRecord, name: string): Promise<Image> {
    const { world } = this.#parts;
    const known = edge.known(id);
    const asking = { edge, operationId: world.uuid(), maxMs: READ_MS, signal: this.#patience() };
    const image = await ask(asking, (storage, call) => storage.getImage(id, call));
    if (image.version < known) {
      const detail = `${edge.process.name} knew version ${known} of ${name} and read ${image.version}`;
      world.broken('no edge reads what is older than it knows', detail);
    }
    return image;
  }

  async #readContent({ id, content }: Image): Promise<void> {
    const { world } = this.#parts;
    const name = `${world.trace.name('blob', content.sha256)} of ${world.trace.name('image', id)}`;
    const bytes = await repeated(world, `read of ${name}`, async () => {
      const asking = { edge: this.#parts.edge(), operationId: world.uuid(), maxMs: READ_MS };
      const found = await ask(asking, (storage, call) =>
        storage.getContent(content.sha256, null, call),
      );
      return Buffer.concat(await Array.fromAsync(found.bytes));
    });
    const right = !(bytes instanceof ServiceError) && hash('sha256', bytes) === content.sha256;
    if (right) return;
    const wrong = bytes instanceof ServiceError ? bytes.code : 'other bytes';
    world.broken('bytes stay while an image has them, and a day longer', `${name}: ${wrong}`);
  }

  /** Of a client that sometimes leaves, and then asks again. */
  #patience(): AbortSignal {
    const { world } = this.#parts;
    const leaving = new AbortController();
    if (!world.goesWrong(4)) return leaving.signal;
    const gone = new ServiceError('deadline_exceeded', 'The client has gone.');
    world.time.after(world.delay(READ_MS), () => leaving.abort(gone));
    return leaving.signal;
  }
}
