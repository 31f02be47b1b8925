import * as fs from 'node:fs/promises';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Catalog } from './catalog/catalog.ts';

/**
 * A data folder that has lost its catalog or its files would start as an empty service, which looks
 * healthy, and of which the next backup would be empty. So it does not start.
 */

/** Before the catalog is opened, which makes one. `shown` is how the user named the folder. */
export async function requireCatalogOfFiles(
  shown: string,
  catalog: string,
  blobs: Pick<BlobStore, 'list'>,
): Promise<void> {
  const found = await fs.stat(catalog).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if ((found && found.size > 0) || !(await hasFiles(blobs))) return;
  throw new Error(
    `${shown}: holds stored files, but catalog.sqlite is ${found ? 'empty' : 'missing'}. Restore a backup into another folder with "npm run restore", or put catalog.sqlite back. To begin anew, name an empty folder.`,
  );
}

export async function requireFilesOfCatalog(
  shown: string,
  catalog: Pick<Catalog, 'blobsAfter'>,
  blobs: Pick<BlobStore, 'list'>,
): Promise<void> {
  const [named] = await catalog.blobsAfter('', 1);
  if (!named || (await hasFiles(blobs))) return;
  throw new Error(
    `${shown}: the catalog names stored files, but the folder "blobs" holds none. Is its disk mounted? Otherwise restore a backup into another folder with "npm run restore".`,
  );
}

async function hasFiles(blobs: Pick<BlobStore, 'list'>): Promise<boolean> {
  for await (const _ of blobs.list()) return true;
  return false;
}
