import { createHash, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type ServiceError, toServiceError } from '../../contract/errors.ts';
import type { ByteRange } from '../../contract/storage.ts';
import { diskFault } from '../disk-fault.ts';
import type { BlobId, BlobStore, StoredBlob } from './blob-store.ts';
import { CheckedFiles } from './checked-files.ts';
import { contentDamaged, type Damage, type DamageObserver } from './damage.ts';
import { FileChunks, READ_FLAGS } from './file-chunks.ts';
import { sameBytes } from './same-bytes.ts';

const BLOB_NAME = /^[0-9a-f]{64}$/;
const SHARD_NAME = /^[0-9a-f]{2}$/;
const ASIDE = 'damaged';
const PROBE = 'probe';
/** What opening says of an entry that is no file: a symbolic link that leads to itself, a socket. */
const NO_FILE = new Set(['ELOOP', 'ENXIO', 'ENODEV']);
/** Bytes that cannot be read are written again elsewhere. */
const NOT_READ = new Set([...NO_FILE, 'EACCES', 'EIO', 'EISDIR']);
/** Another entry set aside before has the name. */
const NAME_TAKEN = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY']);
/** About a small image: a disk that has no room for it is full. It is removed before it is synced. */
const PROBE_BYTES = Buffer.alloc(64 * 1024);

/**
 * Blobs as files, `<folder>/<first two hex digits>/<sha256>`; set aside they are in
 * `<folder>/damaged`.
 *
 * Durable means: the file is synced, then its name (its folder), then the folder's name (the
 * parent). A name is given by link(2), so it never shows a file that is not whole.
 */
export class FileBlobStore implements BlobStore {
  readonly #folder: string;
  readonly #observer: DamageObserver;
  readonly #checked = new CheckedFiles();
  /** Shards whose own name is known to be durable. */
  readonly #shards = new Map<string, Promise<string>>();
  #pinging: Promise<ServiceError | undefined> | undefined;

  constructor(folder: string, observer: DamageObserver = { damaged() {}, sound() {} }) {
    this.#folder = folder;
    this.#observer = observer;
  }

  async put(sha256: string, path: string, _sizeBytes: number): Promise<void> {
    let linking = false;
    try {
      await syncFile(path);
      const shard = await this.#shard(sha256);
      linking = true;
      // What has the name already was not believed, so nobody reads it.
      await this.#clear(sha256).catch(unlessCode('ENOENT'));
      await fs.link(path, this.#path(sha256));
      await syncFile(shard);
    } catch (error) {
      // A name that may not be durable must not be believed by the next who looks. Before that, the
      // name may be of bytes that another image has.
      if (linking) await fs.unlink(this.#path(sha256)).catch(() => {});
      throw diskFault(error);
    }
    this.#observer.sound(sha256);
  }

  async holds(sha256: string, path: string): Promise<boolean> {
    try {
      return (await ifPresent(sameBytes(this.#path(sha256), path))) ?? false;
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
      if (code !== undefined && NOT_READ.has(code)) return false;
      throw error;
    }
  }

  async read(
    { sha256, size_bytes }: BlobId,
    range: ByteRange | null,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const opening = fs.open(this.#path(sha256), READ_FLAGS).catch((error) => {
      throw NO_FILE.has(error.code) ? this.#damaged(sha256, 'unreadable') : error;
    });
    const file = await ifPresent(opening);
    if (!file) return undefined;
    let handedOver = false;
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw this.#damaged(sha256, 'unreadable');
      if (stat.size !== size_bytes) throw this.#damaged(sha256, 'size');
      const soundness = this.#checked.soundness(sha256, stat);
      if (soundness === false) throw this.#damaged(sha256, 'hash');
      const cut = () => this.#damaged(sha256, 'size');
      const toCheck = soundness === undefined && range === null;
      const checks = toCheck ? { ...this.#hashing(sha256, stat), cut } : { cut };
      handedOver = true;
      return new FileChunks(file, range ?? { first: 0, last: size_bytes - 1 }, checks);
    } catch (error) {
      throw diskFault(error);
    } finally {
      if (!handedOver) await file.close();
    }
  }

  async hash(sha256: string, pace?: (bytes: number) => Promise<void>): Promise<string | undefined> {
    const file = await ifPresent(fs.open(this.#path(sha256), READ_FLAGS));
    if (!file) return undefined;
    const stat = await file.stat().catch(async (error) => {
      await file.close();
      throw diskFault(error);
    });
    const hash = createHash('sha256');
    const cut = () => contentDamaged(sha256, 'size');
    const chunks = new FileChunks(file, { first: 0, last: stat.size - 1 }, { cut });
    for await (const chunk of chunks) {
      hash.update(chunk);
      await pace?.(chunk.length);
    }
    const found = hash.digest('hex');
    this.#record(sha256, stat, found === sha256);
    return found;
  }

  /** Compares a whole reading with the hash. */
  #hashing(sha256: string, stat: Stats) {
    const hash = createHash('sha256');
    return {
      chunk: (bytes: Uint8Array) => void hash.update(bytes),
      last: () => {
        const sound = hash.digest('hex') === sha256;
        this.#record(sha256, stat, sound);
        if (!sound) throw contentDamaged(sha256, 'hash');
      },
    };
  }

  #record(sha256: string, stat: Stats, sound: boolean): void {
    this.#checked.record(sha256, stat, sound);
    if (sound) this.#observer.sound(sha256);
    else this.#observer.damaged(sha256, 'hash');
  }

  #damaged(sha256: string, damage: Damage) {
    this.#observer.damaged(sha256, damage);
    return contentDamaged(sha256, damage);
  }

  async size(sha256: string): Promise<number | undefined> {
    const stat = await ifPresent(fs.stat(this.#path(sha256)).catch(unlessCode('ELOOP')));
    return stat?.isFile() ? stat.size : undefined;
  }

  async delete(sha256: string): Promise<boolean> {
    const gone = await ifPresent(this.#clear(sha256).then(() => true));
    this.#observer.sound(sha256);
    return gone ?? false;
  }

  async setAside(sha256: string): Promise<boolean> {
    return (await ifPresent(this.#moveAside(sha256).then(() => true))) ?? false;
  }

  async #moveAside(sha256: string): Promise<void> {
    const aside = join(this.#folder, ASIDE, sha256);
    await fs.mkdir(join(this.#folder, ASIDE)).catch(unlessCode('EEXIST'));
    await fs.rename(this.#path(sha256), aside).catch(async (error) => {
      if (!NAME_TAKEN.has(error.code)) throw error;
      await fs.rename(this.#path(sha256), `${aside}-${randomUUID()}`);
    });
  }

  /** Makes the name free. A folder that has it and holds something is set aside. */
  async #clear(sha256: string): Promise<void> {
    const path = this.#path(sha256);
    try {
      await fs.unlink(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const maybeFolder = code === 'EISDIR' || code === 'EPERM';
      if (!maybeFolder || !(await fs.lstat(path)).isDirectory()) throw error;
      await fs.rmdir(path).catch(() => this.#moveAside(sha256));
    }
  }

  /** Shared: on a disk that hangs, each ping would otherwise occupy another thread for good. */
  ping(): Promise<ServiceError | undefined> {
    this.#pinging ??= this.#ping().finally(() => {
      this.#pinging = undefined;
    });
    return this.#pinging;
  }

  async #ping(): Promise<ServiceError | undefined> {
    try {
      await fs.access(this.#folder, fs.constants.R_OK | fs.constants.X_OK);
    } catch (error) {
      throw diskFault(error);
    }
    const probe = join(this.#folder, PROBE);
    try {
      await fs.writeFile(probe, PROBE_BYTES);
      return undefined;
    } catch (error) {
      return toServiceError(diskFault(error));
    } finally {
      await fs.rm(probe, { force: true }).catch(() => {});
    }
  }

  async *list(): AsyncIterable<StoredBlob> {
    const shards = (await ifPresent(fs.readdir(this.#folder))) ?? [];
    let failure: unknown;
    const later = (error: unknown) => {
      failure ??= error;
      return undefined;
    };
    for (const shard of shards.filter((name) => SHARD_NAME.test(name)).sort()) {
      const names = await ifPresent(fs.readdir(join(this.#folder, shard))).catch(later);
      for (const name of names ?? []) {
        if (!BLOB_NAME.test(name) || !name.startsWith(shard)) continue;
        const path = this.#path(name);
        const stat = await ifPresent(fs.stat(path).catch(() => fs.lstat(path))).catch(later);
        if (stat) yield { sha256: name, size_bytes: stat.size, modified_at: stat.mtime };
      }
    }
    if (failure !== undefined) throw failure;
  }

  #path(sha256: string): string {
    return join(this.#folder, sha256.slice(0, 2), sha256);
  }

  /** Once in a process for each shard: an earlier one may have died before its sync. */
  #shard(sha256: string): Promise<string> {
    const name = sha256.slice(0, 2);
    let shard = this.#shards.get(name);
    if (!shard) {
      shard = this.#makeShard(join(this.#folder, name));
      this.#shards.set(name, shard);
      shard.catch(() => this.#shards.delete(name));
    }
    return shard;
  }

  async #makeShard(path: string): Promise<string> {
    // Not `recursive`: that tells of a read-only disk as of a folder that is not there.
    await fs.mkdir(path).catch(unlessCode('EEXIST'));
    await syncFile(this.#folder);
    return path;
  }
}

async function ifPresent<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw diskFault(error);
  }
}

/** For `catch`: passes every error on but one of this code. */
function unlessCode(expected: string) {
  return (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== expected) throw error;
  };
}

/** Of a file or a folder. After a failure the descriptor is not asked again: it may then lie. */
export async function syncFile(path: string): Promise<void> {
  const file = await fs.open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
