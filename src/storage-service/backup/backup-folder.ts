import * as fs from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { syncFile } from '../blobs/file-blob-store.ts';
import { type DataFolder, partsOf, tryLock } from '../data-folder.ts';
import { requireAccess } from '../folder-access.ts';

/**
 * A backup is a data folder that nobody runs a service on, told by this file: what one finds there may be
 * replaced by the next backup, which must never happen to the folder of a service.
 */
const MARK = 'backup.txt';
const MARK_TEXT = `A backup of the images of dnd-image-service. "npm run restore -- FOLDER" brings it back into
an empty data folder. Do not run a service on it: the next backup would undo what it keeps.
`;
/** What a new file system has. */
const NOTHING = new Set(['lost+found']);

/** Makes or finds the folder of a backup, takes it for this process, and clears what died there. */
export async function openBackupFolder(path: string, dataDir: string): Promise<DataFolder> {
  const folder = partsOf(path);
  if (await unlessUnusable(path, isWithin(folder.path, dataDir))) {
    throw new Error(
      `${path}: is the data folder or within it, where the service removes what it does not know. Name another folder.`,
    );
  }
  await unlessUnusable(path, makeFolder(folder.path));
  const names = await unlessUnusable(path, fs.readdir(folder.path));
  if (!names.includes(MARK)) {
    if (!names.every((name) => NOTHING.has(name))) {
      throw new Error(
        `${path}: holds other things than a backup. Name a new folder, an empty one, or that of an earlier backup.`,
      );
    }
    // Before anything else, so that whatever this leaves behind is known for what it is.
    await fs.writeFile(join(folder.path, MARK), MARK_TEXT);
  }
  await requireAccess(path, folder, { catalog: 'write', files: 'write' });
  const release = tryLock(folder.lock);
  if (!release) throw inUse(path);
  try {
    await fs.mkdir(folder.blobs, { recursive: true });
    await fs.rm(folder.incoming, { recursive: true, force: true });
    await fs.mkdir(folder.incoming);
    await syncFile(folder.path);
    await syncFile(join(folder.path, '..'));
  } catch (error) {
    release();
    throw error;
  }
  return { ...folder, release };
}

/** A folder that holds a whole backup, kept from being changed meanwhile. */
export async function findBackup(path: string): Promise<DataFolder> {
  const folder = partsOf(path);
  await requireAccess(path, folder, { catalog: 'read', files: 'read' });
  await fs.access(join(folder.path, MARK)).catch(() => {
    throw new Error(`${path}: is no backup. Name the folder that "npm run backup" was given.`);
  });
  await fs.access(folder.catalog).catch(() => {
    throw new Error(
      `${path}: holds no whole backup yet, the first one did not end. Run "npm run backup" again, or name another folder.`,
    );
  });
  const release = lockUnlessReadOnly(folder.lock);
  if (!release) throw inUse(path);
  return { ...folder, release };
}

/** What cannot be written, such as a read-only disk, nobody else changes either. */
function lockUnlessReadOnly(file: string): (() => void) | null {
  try {
    return tryLock(file);
  } catch {
    return () => {};
  }
}

/** By the way of all links, also when the last parts of the path are not there yet. */
async function isWithin(path: string, parent: string): Promise<boolean> {
  const way = relative(await fs.realpath(parent), await realPathOf(path));
  return way === '' || !(isAbsolute(way) || way.split(sep)[0] === '..');
}

async function realPathOf(path: string): Promise<string> {
  try {
    return await fs.realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return join(await realPathOf(dirname(path)), basename(path));
  }
}

/** Not `recursive`: on a file system that makes no folders, such as /proc, that never ends. */
async function makeFolder(path: string): Promise<void> {
  try {
    await fs.mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw error;
    await makeFolder(dirname(path));
    await fs.mkdir(path);
  }
}

async function unlessUnusable<T>(path: string, result: Promise<T>): Promise<T> {
  return result.catch((cause) => {
    throw new Error(
      `${path}: cannot be used (${cause.code ?? cause.message}). Name a folder that this user may write.`,
      { cause },
    );
  });
}

function inUse(path: string): Error {
  return new Error(`${path}: in use by another process. Wait for it to end.`);
}
