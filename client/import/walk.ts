import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A folder whose files are imported, or one file. */
export type Source = { path: string; isFolder: boolean };

/** A file found, or an entry that is passed over and why. `path` is relative to the folder. */
export type Found =
  | { kind: 'file'; path: string }
  | { kind: 'skipped'; path: string; reason: string }
  | { kind: 'unreadable'; path: string; error: Error };

/** In which folder it was found. A file has the same path as if its folder had been named. */
export type Entry = Found & { folder: string };

export async function* entriesOf(
  sources: readonly Source[],
  recursive: boolean,
): AsyncGenerator<Entry> {
  for (const { path, isFolder } of sources) {
    if (isFolder) {
      for await (const found of walk(path, recursive)) yield { ...found, folder: path };
    } else {
      yield { kind: 'file', path: basename(path), folder: dirname(path) };
    }
  }
}

/**
 * The entries of a folder as the file system gives them, a few at a time, so that memory does not
 * grow with the folder. Links are not followed: they may lead out of it, or in a circle.
 */
export async function* walk(folder: string, recursive: boolean, path = ''): AsyncGenerator<Found> {
  try {
    for await (const entry of await opendir(join(folder, path), { bufferSize: 128 })) {
      const entryPath = path ? `${path}/${entry.name}` : entry.name;
      const reason = reasonToSkip(entry, recursive);
      if (reason) yield { kind: 'skipped', path: entryPath, reason };
      else if (entry.isDirectory()) yield* walk(folder, recursive, entryPath);
      else yield { kind: 'file', path: entryPath };
    }
  } catch (error) {
    yield { kind: 'unreadable', path: path || '.', error: error as Error };
  }
}

/** Why a folder is left out whose images the user may want. */
export const NOT_RECURSIVE = 'folder; --recursive imports its images';

/**
 * Copies that a system makes of a user's images: thumbnails of Synology and QNAP, archives of macOS,
 * and the trash of these and of Windows. In lower case.
 */
const SYSTEM_FOLDERS: ReadonlySet<string> = new Set([
  '@eadir',
  '@__thumb',
  '__macosx',
  '#recycle',
  '@recycle',
  '$recycle.bin',
  'system volume information',
  'lost+found',
]);

function reasonToSkip(entry: Dirent, recursive: boolean): string | undefined {
  if (entry.name.startsWith('.')) return 'hidden';
  if (entry.isSymbolicLink()) return 'symbolic link';
  if (entry.isDirectory()) {
    if (SYSTEM_FOLDERS.has(entry.name.toLowerCase())) return 'thumbnails or trash of the system';
    return recursive ? undefined : NOT_RECURSIVE;
  }
  return entry.isFile() ? undefined : 'neither file nor folder';
}

/** Undefined when it was stopped. */
export async function countFiles(
  sources: readonly Source[],
  recursive: boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  let count = 0;
  for await (const found of entriesOf(sources, recursive)) {
    if (signal.aborted) return undefined;
    if (found.kind === 'file') count++;
  }
  return count;
}
