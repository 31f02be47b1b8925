import * as fs from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { syncFile } from './blobs/file-blob-store.ts';
import { requireHardLinks } from './blobs/hard-links.ts';
import { ownerOf, requireAccess, whoAmI } from './folder-access.ts';

/** https://sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

export type DataFolder = {
  path: string;
  catalog: string;
  blobs: string;
  incoming: string;
  lock: string;
  /** Which folder this was at its last start; may be absent. */
  identity: string;
  /** Where the scrub is; may be absent. */
  scrub: string;
  /** Lets another process have the folder. */
  release(): void;
};

/**
 * Makes the folder's parts and takes it for this process alone: two services on one folder would
 * remove each other's files. Throws an Error for people when that cannot be done.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = partsOf(path);
  await unlessUnwritable(path, folder.path, async () => {
    await makeFolder(folder.path);
    // On a read-only disk the next line would say that there is no such folder.
    await fs.access(folder.path, fs.constants.W_OK);
  });
  await requireAccess(`DATA_DIR=${path}`, folder, { catalog: 'write', files: 'write' });
  await unlessUnwritable(path, folder.path, async () => {
    await fs.mkdir(folder.blobs, { recursive: true });
    await fs.mkdir(folder.incoming, { recursive: true });
    await syncFile(folder.path);
    await syncFile(join(folder.path, '..'));
  });
  const release = lock(folder.lock, path);
  try {
    await requireHardLinks(path, folder);
  } catch (error) {
    release();
    throw error;
  }
  return { ...folder, release };
}

/** Not `recursive`, which never ends below a folder such as /proc, where nothing can be made. */
async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return;
  await makeFolder(dirname(path));
  await fs.mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

async function isFolder(path: string): Promise<boolean> {
  const found = await fs.stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found && !found.isDirectory()) throw new Error(`${path} is not a folder`);
  return found !== undefined;
}

async function unlessUnwritable(shown: string, path: string, work: () => Promise<void>) {
  try {
    await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const whose =
      code === 'EACCES' ? `${await ownerOf(path)}; the service runs as ${whoAmI()}` : '';
    throw new Error(
      `DATA_DIR=${shown}: cannot be written (${[code ?? message, whose].filter(Boolean).join('; ')}). Name a folder that this user may write.`,
      { cause: error },
    );
  }
}

/** Where things are, whoever has the folder. */
export function partsOf(path: string): Omit<DataFolder, 'release'> {
  const root = resolve(path);
  return {
    path: root,
    catalog: join(root, 'catalog.sqlite'),
    blobs: join(root, 'blobs'),
    incoming: join(root, 'incoming'),
    lock: join(root, 'lock.sqlite'),
    identity: join(root, 'folder-identity.txt'),
    scrub: join(root, 'scrub.json'),
  };
}

/** An open transaction holds the lock; the kernel ends it with the process, however that dies. */
function lock(file: string, path: string): () => void {
  const release = lockOrTell(file, path);
  if (release) return release;
  throw new Error(
    `DATA_DIR=${path}: in use by another process of this service. Stop that one, or name another folder.`,
  );
}

function lockOrTell(file: string, path: string): (() => void) | null {
  try {
    return tryLock(file);
  } catch (error) {
    throw new Error(
      `DATA_DIR=${path}: lock.sqlite cannot be locked (${(error as Error).message}). It holds nothing: remove it while no service runs on the folder. SQLite needs a local disk.`,
      { cause: error },
    );
  }
}

/** Takes a folder's lock and gives the way to release it; null when another process has it. */
export function tryLock(file: string): (() => void) | null {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('begin exclusive');
    return () => db.close();
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    return null;
  }
}
