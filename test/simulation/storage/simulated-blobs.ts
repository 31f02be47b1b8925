import type {
  BlobId,
  BlobStore,
  StoredBlob,
} from '../../../src/storage-service/blobs/blob-store.ts';
import { storageUnavailable } from '../../../src/storage-service/disk-fault.ts';
import type { Process } from '../world/process.ts';
import type { Disk } from './disk.ts';

/** Blobs on a simulated disk; the same steps as with files. */
export class SimulatedBlobs implements BlobStore {
  readonly #process: Process;
  readonly #disk: Disk;
  readonly #answersBeforeSync: boolean;

  /** With a fault: a blob counts as durable before it is. */
  constructor(process: Process, disk: Disk, answersBeforeSync = false) {
    this.#process = process;
    this.#disk = disk;
    this.#answersBeforeSync = answersBeforeSync;
  }

  async put(sha256: string, path: string): Promise<void> {
    const name = this.#name(sha256);
    await this.#process.call(`link of ${name}`, () => {
      this.#disk.link(sha256, this.#disk.incoming.get(path)!);
    });
    if (this.#answersBeforeSync) return;
    if (this.#process.world.goesWrong(this.#process.world.profile.diskFaultOneIn)) {
      this.#process.world.trace.say(this.#process.name, `sync of ${name} fails`);
      await this.#process.call(`unlink of ${name}`, () => this.#disk.unlink(sha256));
      throw storageUnavailable(new Error('EIO'));
    }
    await this.#process.call(`sync of ${name}`, () => this.#disk.sync(sha256));
    this.#process.world.trace.say(this.#process.name, `${name} is durable`);
  }

  async holds(sha256: string, path: string): Promise<boolean> {
    return this.#process.call('compare', () => {
      const [kept, sent] = [this.#disk.blobs.get(sha256), this.#disk.incoming.get(path)!];
      return kept !== undefined && Buffer.compare(kept.bytes, sent) === 0;
    });
  }

  async hash(): Promise<never> {
    throw new Error('Nobody looks for damage here.');
  }

  async read({ sha256 }: BlobId): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = await this.#process.call('read', () => this.#disk.blobs.get(sha256));
    return file && whole(file.bytes);
  }

  size(sha256: string): Promise<number | undefined> {
    return this.#process.call('stat', () => this.#disk.blobs.get(sha256)?.bytes.length);
  }

  async delete(sha256: string): Promise<boolean> {
    const name = this.#name(sha256);
    if (this.#process.world.goesWrong(this.#process.world.profile.diskFaultOneIn)) {
      this.#process.world.trace.say(this.#process.name, `unlink of ${name} fails`);
      throw storageUnavailable(new Error('EIO'));
    }
    return this.#process.call(`unlink of ${name}`, () => {
      this.#process.world.trace.say(this.#process.name, `${name} is deleted`);
      return this.#disk.unlink(sha256);
    });
  }

  async setAside(): Promise<boolean> {
    throw new Error('Nobody repairs anything here.');
  }

  async ping(): Promise<undefined> {}

  async *list(): AsyncIterable<StoredBlob> {
    const names = await this.#process.call('list', () => [...this.#disk.blobs.keys()]);
    for (const sha256 of names) {
      const file = await this.#process.call('stat', () => this.#disk.blobs.get(sha256));
      if (!file) continue;
      const modified_at = new Date(file.modifiedAt);
      yield { sha256, size_bytes: file.bytes.length, modified_at };
    }
  }

  #name(sha256: string): string {
    return this.#process.world.trace.name('blob', sha256);
  }
}

async function* whole(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
