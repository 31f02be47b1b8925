import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type ServiceError, toServiceError } from '../../contract/errors.ts';
import type { ByteRange } from '../../contract/storage.ts';
import { diskFault } from '../disk-fault.ts';
import type { BlobStore, StoredBlob } from './blob-store.ts';

/** Large enough that a 5 MB image takes a handful of reads, small enough for many readers. */
const READ_CHUNK_BYTES = 256 * 1024;
const BLOB_NAME = /^[0-9a-f]{64}$/;
const SHARD_NAME = /^[0-9a-f]{2}$/;
const ASIDE = 'damaged';
const PROBE = 'probe';
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
  /** Shards whose own name is known to be durable. */
  readonly #shards = new Map<string, Promise<string>>();
  #pinging: Promise<ServiceError | undefined> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async put(sha256: string, path: string, _sizeBytes: number): Promise<void> {
    try {
      await syncFile(path);
      const shard = await this.#shard(sha256);
      await linkOver(path, this.#path(sha256));
      await syncFile(shard);
    } catch (error) {
      // A name that may not be durable must not be believed by the next who looks.
      await fs.unlink(this.#path(sha256)).catch(() => {});
      throw diskFault(error);
    }
  }

  async read(
    sha256: string,
    range: ByteRange | null,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = await ifPresent(fs.open(this.#path(sha256), 'r'));
    if (!file) return undefined;
    return createReadStream('', {
      fd: file,
      highWaterMark: READ_CHUNK_BYTES,
      ...(range && { start: range.first, end: range.last }),
    });
  }

  async size(sha256: string): Promise<number | undefined> {
    return (await ifPresent(fs.stat(this.#path(sha256))))?.size;
  }

  async delete(sha256: string): Promise<boolean> {
    const gone = await ifPresent(fs.unlink(this.#path(sha256)).then(() => true));
    return gone ?? false;
  }

  async setAside(sha256: string): Promise<boolean> {
    const aside = join(this.#folder, ASIDE);
    await fs.mkdir(aside, { recursive: true });
    const moved = fs.rename(this.#path(sha256), join(aside, sha256)).then(() => true);
    return (await ifPresent(moved)) ?? false;
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
    for (const shard of shards.filter((name) => SHARD_NAME.test(name)).sort()) {
      const names = await ifPresent(fs.readdir(join(this.#folder, shard)));
      for (const name of names ?? []) {
        if (!BLOB_NAME.test(name) || !name.startsWith(shard)) continue;
        const stat = await ifPresent(fs.stat(this.#path(name)));
        if (stat) yield { sha256: name, size_bytes: stat.size, modified_at: stat.mtime };
      }
    }
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

/** Gives the file this name; what has the name already was not believed, so nobody reads it. */
async function linkOver(path: string, name: string): Promise<void> {
  await fs.unlink(name).catch(unlessCode('ENOENT'));
  await fs.link(path, name);
}

/** For `catch`: passes every error on but one of this code. */
function unlessCode(expected: string) {
  return (error: NodeJS.ErrnoException) => {
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
