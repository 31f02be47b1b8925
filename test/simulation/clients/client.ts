import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ErrorCode, ServiceError } from '../../../src/contract/errors.ts';
import type { Image } from '../../../src/contract/image.ts';
import type { ContentClaim, Outcome, Storage, WriteCall } from '../../../src/contract/storage.ts';
import type { Edge } from '../edge/edge.ts';
import type { PlantedFault } from '../planted-fault.ts';
import type { World } from '../world/world.ts';
import { ask, repeated } from './calls.ts';
import type { Contents } from './contents.ts';
import type { ImageRecord, Ledger } from './ledger.ts';
import { Reader } from './reader.ts';

const DISCARD_MS = 5_000;
const WRITE_MS = 20_000;
const UPLOAD_MS = 60_000;

type Surroundings = {
  world: World;
  ledger: Ledger;
  contents: Contents;
  planted: PlantedFault | undefined;
  /** Any that lives. */
  edge(): Edge;
};

type Write<T> = {
  what: string;
  /** Sent before, and claimed by the write; a small content may also ride with it. */
  bytes?: Buffer;
  start(storage: Storage, call: WriteCall, content: ContentClaim): Promise<Outcome<T>>;
  /** Refusals that a client must reckon with. */
  refusals?: readonly ErrorCode[];
};

const LOST_RACE: readonly ErrorCode[] = ['image_not_found', 'precondition_failed'];

/** Sends changes and reads, one after the other, and writes down what it was told. */
export class Client {
  readonly #name: string;
  readonly #parts: Surroundings;
  readonly #reader: Reader;
  #operations = 0;

  constructor(name: string, parts: Surroundings) {
    this.#name = name;
    this.#parts = parts;
    this.#reader = new Reader(parts);
  }

  async run(operations: number): Promise<void> {
    const { world } = this.#parts;
    for (let done = 0; done < operations; done += 1) {
      await world.time.sleep(world.delay(1_000));
      await this.#operate();
    }
  }

  async #operate(): Promise<void> {
    const { world, ledger } = this.#parts;
    if (world.chance.oneIn(world.profile.givenUpOneIn)) return this.#giveUp();
    const records = [...ledger.images.values()];
    if (records.length === 0 || world.chance.oneIn(3)) return this.#create();
    // Mostly what others are at as well.
    const record = world.chance.oneIn(3) ? world.chance.of(records) : records.at(-1)!;
    switch (world.chance.below(7)) {
      case 0:
        return this.#delete(record);
      case 1:
        return this.#restore(record);
      case 2:
      case 3:
        return this.#reader.read(record);
      case 4:
      case 5:
        return this.#replace(record);
      default:
        return this.#update(record);
    }
  }

  async #create(): Promise<void> {
    const { world, ledger } = this.#parts;
    const what = this.#next('create');
    const chosen = world.chance.oneIn(4) ? { id: this.#parts.world.uuid() } : {};
    const fields = { type: 'portrait', name: what, theme: 'fantasy', ...chosen } as const;
    const written = await this.#write<Image>({
      what,
      bytes: this.#bytes(),
      start: (storage, call, content) => storage.createImage(fields, content, call),
    });
    if (!written) return;
    ledger.created(written.value);
    written.edge.learn(written.value.id, 1);
  }

  async #update(record: ImageRecord): Promise<void> {
    const what = this.#next('update');
    const if_version = this.#parts.world.chance.oneIn(2) ? { if_version: record.version } : {};
    const change = { image_id: record.id, patch: { name: what }, ...if_version };
    // A read that is under way meanwhile must not answer those that begin after the change.
    const early = this.#parts.world.chance.oneIn(2) ? this.#reader.read(record) : undefined;
    const written = await this.#write<Image>({
      what: `${what} of ${this.#nameOf(record)}`,
      start: (storage, call) => storage.updateImage(change, call),
      refusals: LOST_RACE,
    });
    if (written) await this.#changed(written, record);
    await early;
  }

  async #replace(record: ImageRecord): Promise<void> {
    const { chance } = this.#parts.world;
    const current = record.changes.get(record.version)!.content.sha256;
    const target = {
      image_id: record.id,
      ...(chance.oneIn(3) && { if_sha256: current }),
    };
    const written = await this.#write<Image>({
      what: `${this.#next('replace')} of ${this.#nameOf(record)}`,
      bytes: this.#bytes(),
      start: (storage, call, content) => storage.replaceContent(target, content, call),
      refusals: LOST_RACE,
    });
    if (written) await this.#changed(written, record);
  }

  async #delete(record: ImageRecord): Promise<void> {
    record.deletionsBegun += 1;
    const written = await this.#write<object>({
      what: `${this.#next('delete')} of ${this.#nameOf(record)}`,
      start: (storage, call) => storage.deleteImage({ image_id: record.id }, call),
    });
    if (written) record.deletions += 1;
  }

  async #restore(record: ImageRecord): Promise<void> {
    const written = await this.#write<Image>({
      what: `${this.#next('restore')} of ${this.#nameOf(record)}`,
      start: (storage, call) => storage.restoreImage({ image_id: record.id }, call),
    });
    if (!written) return;
    record.restorations += 1;
    written.edge.learn(record.id, written.value.version);
  }

  async #changed({ value, edge }: { value: Image; edge: Edge }, record: ImageRecord) {
    this.#parts.ledger.changed(value);
    edge.learn(value.id, value.version);
    if (this.#parts.world.chance.oneIn(2)) await this.#reader.read(record, edge);
  }

  /** Bytes that no write will claim. */
  async #giveUp(): Promise<void> {
    const { world } = this.#parts;
    const what = this.#next('upload without a write');
    const operationId = this.#parts.world.uuid();
    const bytes = this.#bytes();
    await repeated(world, what, () => this.#accept(this.#edge(), operationId, bytes));
    if (world.chance.oneIn(4)) return;
    await repeated(world, `${what}, discarded`, () =>
      ask({ edge: this.#edge(), operationId, maxMs: DISCARD_MS }, (storage, call) =>
        storage.discardContent(call),
      ),
    );
  }

  /** The outcome, with the edge that told it; undefined when it was refused. */
  async #write<T>({ what, bytes, start, refusals = [] }: Write<T>) {
    const { world, planted } = this.#parts;
    const operationId = this.#parts.world.uuid();
    let sent = false;
    const attempt = async () => {
      const edge = this.#edge();
      const before = sent;
      sent = true;
      const id = planted === 'another-operation' ? this.#parts.world.uuid() : operationId;
      world.trace.say(this.#name, `${what}, ${world.trace.name('operation', id)}`);
      const content = await this.#claim(edge, id, bytes, before);
      // Its sender may be slow to say what the bytes are for.
      if (world.goesWrong(5)) await world.time.sleep(world.delay(30_000));
      const asking = { edge, operationId: id, maxMs: WRITE_MS };
      const { value, replayed } = await ask(asking, (storage, call) =>
        start(storage, call, content),
      );
      return { value, replayed, edge };
    };
    const written = await repeated(world, what, attempt);
    if (written instanceof ServiceError) {
      if (!refusals.includes(written.code)) {
        world.broken('a write is refused only for its reasons', `${what}: ${written.code}`);
      }
      return undefined;
    }
    world.trace.say(this.#name, `${what}: done${written.replayed ? ', as told before' : ''}`);
    if (planted !== 'another-operation' && world.chance.oneIn(5)) {
      const again = await repeated(world, `${what} again`, attempt);
      const same =
        !(again instanceof ServiceError) && isDeepStrictEqual(again.value, written.value);
      if (!same || !again.replayed) world.broken('a repeated write gets the same answer', what);
    }
    return written;
  }

  /**
   * The bytes ride along or are sent before. Who sent them already, in vain or not, may also just
   * claim them: they are there then, or the answer is content_missing.
   */
  async #claim(edge: Edge, operationId: string, bytes: Buffer | undefined, sent: boolean) {
    if (!bytes) return {} as ContentClaim;
    const { world } = this.#parts;
    const claim = { sha256: hash('sha256', bytes), size_bytes: bytes.length };
    if (sent && world.goesWrong(3)) return claim;
    return world.chance.oneIn(2)
      ? { ...claim, data: bytes }
      : this.#accept(edge, operationId, bytes);
  }

  async #accept(edge: Edge, operationId: string, bytes: Buffer): Promise<ContentClaim> {
    const half = bytes.length >> 1;
    const chunks = async function* () {
      yield bytes.subarray(0, half);
      yield bytes.subarray(half);
    };
    const accepted = await ask({ edge, operationId, maxMs: UPLOAD_MS }, (storage, call) =>
      storage.acceptContent(chunks(), { filename: null }, call),
    );
    return accepted.claim;
  }

  #edge(): Edge {
    return this.#parts.edge();
  }

  #bytes(): Buffer {
    return this.#parts.contents.next();
  }

  #nameOf({ id }: ImageRecord): string {
    return this.#parts.world.trace.name('image', id);
  }

  #next(what: string): string {
    return `${what} ${this.#name}.${++this.#operations}`;
  }
}
