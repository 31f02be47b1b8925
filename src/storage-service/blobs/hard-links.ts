import * as fs from 'node:fs/promises';
import { join } from 'node:path';

const SHARD_NAME = /^[0-9a-f]{2}$/;
/** A full disk does not tell whether it has hard links, and a service starts on one to deliver. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EMLINK']);

/** The same each time: what a process that died left is removed by the next one. */
const PROBE = 'link-probe';

type Folders = { blobs: string; incoming: string };

/**
 * Throws an Error for people unless files of `incoming` can be linked into `blobs`, which is how an
 * upload gets its name. Tried with an empty file: nothing else tells of every file system. The
 * caller has the folder to itself.
 */
export async function requireHardLinks(shown: string, { blobs, incoming }: Folders): Promise<void> {
  const file = join(incoming, PROBE);
  try {
    await fs.rm(file, { force: true });
    await fs.writeFile(file, '', { flag: 'wx' });
    await tryLink(file, join(blobs, PROBE));
    for (const shard of await shardsElsewhere(blobs)) await tryLink(file, join(shard, PROBE));
  } catch (error) {
    const { code, dest = file } = error as NodeJS.ErrnoException & { dest?: string };
    if (code === undefined || FULL.has(code)) return;
    throw new Error(
      `DATA_DIR=${shown}: blobs and incoming must be on one file system that has hard links; a link from incoming into ${join(dest, '..')} failed (${code}). Put the whole data folder on that disk instead of parts of it.`,
      { cause: error },
    );
  } finally {
    await fs.rm(file, { force: true }).catch(() => {});
  }
}

async function tryLink(file: string, name: string): Promise<void> {
  await fs.rm(name, { force: true });
  await fs.link(file, name);
  await fs.unlink(name);
}

/** Shards that are links, or mounts of other disks: those on the same disk need no look each. */
async function shardsElsewhere(blobs: string): Promise<string[]> {
  const { dev } = await fs.stat(blobs);
  const shards = (await fs.readdir(blobs)).filter((name) => SHARD_NAME.test(name));
  const elsewhere = await Promise.all(
    shards.map(async (name) => {
      const path = join(blobs, name);
      const stat = await fs.lstat(path);
      return stat.isSymbolicLink() || stat.dev !== dev ? [path] : [];
    }),
  );
  return elsewhere.flat();
}
