import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { FileBlobStore, syncFile } from '../blobs/file-blob-store.ts';
import { type DataFolder, partsOf } from '../data-folder.ts';
import { requireAccess } from '../folder-access.ts';
import { openBackupFolder } from './backup-folder.ts';
import { type CopyResult, copyBlobs } from './copy-blobs.ts';
import { folderFault } from './folder-fault.ts';
import { LOGS, requireSameCatalog, Snapshot, SnapshotSource, settle } from './snapshot.ts';

/** Faulty files that one message names. */
const NAMED_FAULTS = 5;

export type BackupOptions = {
  dataDir: string;
  /** New, empty, or that of an earlier backup, which is then brought up to date. */
  path: string;
  /** Also read what is there already, and compare hashes. */
  check: boolean;
  progress(done: number, total: number): void;
};

export type Backup = {
  images: number;
  blobs: number;
  bytes: number;
  /** Of those: the ones that were not there yet. */
  copied: number;
  copiedBytes: number;
  /** Files that only the backup before had. */
  removed: number;
};

/**
 * A backup of a data folder, also beside the service that has it. First the snapshot of the catalog, then
 * the blobs that it names, and last its name: until then the folder holds the backup before, whole, as no
 * file of that one is touched. Throws an Error for people when there is no new backup.
 */
export async function takeBackup(options: BackupOptions): Promise<Backup> {
  const { dataDir, path, check, progress } = options;
  const from = partsOf(dataDir);
  // The catalog is told how long it has to keep bytes.
  await requireAccess(`DATA_DIR=${dataDir}`, from, { catalog: 'write', files: 'read' });
  await fs.access(from.catalog).catch(() => {
    throw new Error(`DATA_DIR=${dataDir}: holds no catalog. Name the data folder of a service.`);
  });
  try {
    await using closing = new AsyncDisposableStack();
    const to = await openBackupFolder(path, from.path);
    closing.defer(() => to.release());
    const source = new SnapshotSource(from.catalog);
    closing.defer(() => source.close());

    // Before the snapshot: whatever that names is held from then on.
    source.hold();
    const staged = join(to.incoming, 'catalog.sqlite');
    closing.defer(() => fs.rm(staged, { force: true }));
    source.take(staged);
    if (await exists(to.catalog)) requireSameCatalog(path, to.catalog, staged);
    using snapshot = new Snapshot(staged);
    const { counts } = snapshot;
    let done = 0;
    const result = await copyBlobs({
      blobs: snapshot.blobs(),
      from: from.blobs,
      to: { blobs: to.blobs, staging: to.incoming },
      check,
      progress() {
        source.hold();
        progress(++done, counts.blobs);
      },
    });
    requireAll(result, dataDir);
    await putInPlace(staged, to);
    const removed = await removeOthers(to, snapshot);
    const { copied, copiedBytes } = result;
    return { ...counts, copied, copiedBytes, removed };
  } catch (error) {
    throw folderFault(path, error);
  }
}

function requireAll({ faults }: CopyResult, dataDir: string): void {
  if (faults.length === 0) return;
  const named = faults.slice(0, NAMED_FAULTS).map(({ message }) => message);
  const more = faults.length - named.length;
  if (more > 0) named.push(`And ${more} more.`);
  throw new Error(
    `DATA_DIR=${dataDir}: files could not be copied, so there is no new backup. "npm run verify" tells of their images.\n${named.join('\n')}`,
  );
}

async function putInPlace(staged: string, to: DataFolder): Promise<void> {
  await syncFile(staged);
  // `verify` may have been run on the backup before, and died: its logs must not meet the new catalog.
  const left = await Promise.all(LOGS.map((end) => exists(to.catalog + end)));
  if (left.includes(true)) settle(to.catalog);
  await fs.rename(staged, to.catalog);
  await syncFile(to.path);
}

/** A death meanwhile leaves some of them to the next backup. */
async function removeOthers(to: DataFolder, snapshot: Snapshot): Promise<number> {
  const blobs = new FileBlobStore(to.blobs);
  let removed = 0;
  for await (const { sha256 } of blobs.list()) {
    if (snapshot.names(sha256)) continue;
    if (await blobs.delete(sha256)) removed += 1;
  }
  return removed;
}

async function exists(path: string): Promise<boolean> {
  return fs.access(path).then(
    () => true,
    () => false,
  );
}
