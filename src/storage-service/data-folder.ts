import * as fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { syncFile } from './blobs/file-blob-store.ts';

/** https://sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

export type DataFolder = {
  path: string;
  catalog: string;
  blobs: string;
  incoming: string;
  lock: string;
  /** Lets another process have the folder. */
  release(): void;
};

/**
 * Makes the folder's parts and takes it for this process alone: two services on one folder would
 * remove each other's files. Throws an Error for people when that cannot be done.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = partsOf(path);
  try {
    await fs.mkdir(folder.path, { recursive: true });
    // On a read-only disk the next line would say that there is no such folder.
    await fs.access(folder.path, fs.constants.W_OK);
    await fs.mkdir(folder.blobs, { recursive: true });
    await fs.mkdir(folder.incoming, { recursive: true });
    await syncFile(folder.path);
    await syncFile(join(folder.path, '..'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      `DATA_DIR=${path}: cannot be written (${code ?? message}). Name a folder that this user may write.`,
      { cause: error },
    );
  }
  return { ...folder, release: lock(folder.lock, path) };
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
  };
}

/** An open transaction holds the lock; the kernel ends it with the process, however that dies. */
function lock(file: string, path: string): () => void {
  const release = tryLock(file);
  if (release) return release;
  throw new Error(
    `DATA_DIR=${path}: in use by another process of this service. Stop that one, or name another folder.`,
  );
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
