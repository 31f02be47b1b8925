import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncFile } from '../blobs/file-blob-store.ts';
import type { SnapshotBlob } from './snapshot.ts';

/** Enough that one file is synced while others are read; more makes a disk no faster. */
const COPIES_AT_ONCE = 4;

/** A blob that could not be copied because of what it is copied from. */
export type BlobFault = { sha256: string; message: string };

export type CopyPlan = {
  blobs: IterableIterator<SnapshotBlob>;
  /** A folder of blobs. */
  from: string;
  /** `staging` is on the same file system. */
  to: { blobs: string; staging: string };
  /** Believe no size: also read the files that are there already, and compare their hashes. */
  check: boolean;
  /** Before each blob. */
  progress(): void;
};

export type CopyResult = { copied: number; copiedBytes: number; faults: BlobFault[] };

class Unreadable extends Error {}

/**
 * Copies the blobs that are not there yet. A file has its name only when all of it is on disk, so one that
 * has it need not be copied again, whatever became of the copy before. All is durable when it answers.
 *
 * What is wrong with single files is in `faults`, and the others are copied; it throws when the folder cannot
 * be written.
 */
export async function copyBlobs(plan: CopyPlan): Promise<CopyResult> {
  const result: CopyResult = { copied: 0, copiedBytes: 0, faults: [] };
  const shards = new Set<string>();
  const worker = async () => {
    // One iterator for all; whoever fails closes it, and the others end after what they have begun.
    for (const blob of plan.blobs) {
      plan.progress();
      const shard = join(plan.to.blobs, blob.sha256.slice(0, 2));
      if (!shards.has(shard)) await fs.mkdir(shard).catch(unlessThere);
      shards.add(shard);
      await copyBlob(plan, blob, join(shard, blob.sha256), result);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: COPIES_AT_ONCE }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  // Also those to which nothing came: what is in them may be of a run that died before its sync.
  for (const folder of [...shards, plan.to.blobs]) await syncFile(folder);
  return result;
}

async function copyBlob(
  { from, to, check }: CopyPlan,
  blob: SnapshotBlob,
  path: string,
  result: CopyResult,
): Promise<void> {
  const { sha256, size_bytes } = blob;
  if ((await sizeOf(path)) === size_bytes) {
    if (!check || (await hashOf(path)) === sha256) return;
    // Should the source be damaged too: a file of the right size would keep better bytes from its place.
    await fs.rm(path);
  }
  const staged = join(to.staging, sha256);
  try {
    await copyFile(join(from, sha256.slice(0, 2), sha256), staged);
    await requireWhole(staged, blob);
    await syncFile(staged);
    await fs.rename(staged, path);
    result.copied += 1;
    result.copiedBytes += size_bytes;
  } catch (error) {
    await fs.rm(staged, { force: true }).catch(() => {});
    if (!(error instanceof Unreadable)) throw error;
    result.faults.push({ sha256, message: `The bytes of ${sha256} ${error.message}.` });
  }
}

/** Where the file system can, both files share their blocks. */
async function copyFile(source: string, staged: string): Promise<void> {
  await fs.rm(staged, { force: true });
  await requireFile(source);
  try {
    await fs.copyFile(source, staged, constants.COPYFILE_FICLONE);
  } catch (error) {
    // The error does not tell whose it is: what can be read was not at fault.
    await hashOf(source).catch(({ code }) => {
      throw new Unreadable(code === 'ENOENT' ? 'are missing' : `cannot be read (${code})`);
    });
    throw error;
  }
}

/** The opening of a FIFO waits for a writer; a device may have no end. */
async function requireFile(path: string): Promise<void> {
  const stat = await fs.stat(path).catch(({ code }) => {
    throw new Unreadable(code === 'ENOENT' ? 'are missing' : `cannot be read (${code})`);
  });
  if (!stat.isFile()) throw new Unreadable('cannot be read (their place holds no file)');
}

/** What is copied now is believed by every later backup. */
async function requireWhole(path: string, blob: SnapshotBlob): Promise<void> {
  const size = await sizeOf(path);
  if (size !== blob.size_bytes) throw new Unreadable(`are ${size} instead of ${blob.size_bytes}`);
  if ((await hashOf(path)) !== blob.sha256) throw new Unreadable('are damaged');
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await fs.stat(path).catch(undefinedIfAbsent))?.size;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function undefinedIfAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
