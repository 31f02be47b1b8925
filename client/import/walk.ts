import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** A file found, or an entry that is passed over and why. `path` is relative to the folder. */
export type Found =
  | { kind: 'file'; path: string }
  | { kind: 'skipped'; path: string; reason: string }
  | { kind: 'unreadable'; path: string; error: Error };

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

function reasonToSkip(entry: Dirent, recursive: boolean): string | undefined {
  if (entry.name.startsWith('.')) return 'hidden';
  if (entry.isSymbolicLink()) return 'symbolic link';
  if (entry.isDirectory()) return recursive ? undefined : 'folder (--recursive takes its images)';
  return entry.isFile() ? undefined : 'neither file nor folder';
}

/** Undefined when it was stopped. */
export async function countFiles(
  folder: string,
  recursive: boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  let count = 0;
  for await (const found of walk(folder, recursive)) {
    if (signal.aborted) return undefined;
    if (found.kind === 'file') count++;
  }
  return count;
}
