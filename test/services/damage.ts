import { appendFile, open, rm, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { partsOf } from '../../src/storage-service/data-folder.ts';

/** Where the bytes of a blob are. */
export function blobPath(dataDir: string, sha256: string): string {
  return join(partsOf(dataDir).blobs, sha256.slice(0, 2), sha256);
}

/** What disks and people do to files. */
export const DAMAGES = {
  missing: (path) => rm(path),
  cut: async (path) => truncate(path, (await stat(path)).size >> 1),
  empty: (path) => truncate(path, 0),
  longer: (path) => appendFile(path, 'x'),
  flipped: flip,
} satisfies Record<string, (path: string) => Promise<void>>;

/** One bit near the end; the time of the change does not tell. */
async function flip(path: string): Promise<void> {
  const { size, atime, mtime } = await stat(path);
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, size - 5);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, size - 5);
  await utimes(path, atime, mtime);
}
