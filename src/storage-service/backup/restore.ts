import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { syncFile } from '../blobs/file-blob-store.ts';
import { SqliteCatalog } from '../catalog/sqlite/sqlite-catalog.ts';
import { type DataFolder, openDataFolder, partsOf } from '../data-folder.ts';
import { findBackup } from './backup-folder.ts';
import { type BlobFault, copyBlobs } from './copy-blobs.ts';
import { folderFault } from './folder-fault.ts';
import { LOGS, requireCatalog, Snapshot, settle } from './snapshot.ts';

/** Images named for one faulty blob. */
const NAMED_IMAGES = 5;
/** What SQLite keeps beside a catalog; of one that is gone it would spoil the next. */
const BESIDE_CATALOG = [...LOGS, '-shm'];

export type RestoreOptions = {
  path: string;
  /** Holds no catalog, and no service runs on it. */
  dataDir: string;
  progress(done: number, total: number): void;
};

export type Restored = {
  images: number;
  blobs: number;
  bytes: number;
  /** Sentences on what the backup lacked; all else is there. */
  findings: string[];
};

/**
 * Brings a backup into a data folder. The catalog gets its name last, so a restore that died is none, and
 * may be run again. Every file is read and its hash compared: this is the moment to know. Files that the
 * backup lacks or that are damaged do not keep the others from being restored. Throws an Error for people
 * when nothing was.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { path, dataDir, progress } = options;
  await using closing = new AsyncDisposableStack();
  const from = await findBackup(path);
  closing.defer(() => from.release());
  await requireNoCatalog(dataDir);
  const to = await openDataFolder(dataDir);
  closing.defer(() => to.release());
  await requireNoCatalog(dataDir);
  const staged = join(to.incoming, 'catalog.sqlite');
  closing.defer(() => removeCatalog(staged));
  try {
    await copyCatalog(from.catalog, staged);
    const { counts, faults } = await copyNamed(staged, from, to, progress);
    const findings = await check(staged, faults);
    await giveToOwner(to.path);
    await putInPlace(staged, to);
    return { ...counts, findings };
  } catch (error) {
    throw folderFault(`DATA_DIR=${dataDir}`, error);
  }
}

async function requireNoCatalog(dataDir: string): Promise<void> {
  const there = await fs.access(partsOf(dataDir).catalog).then(
    () => true,
    () => false,
  );
  if (!there) return;
  throw new Error(
    `DATA_DIR=${dataDir}: holds a catalog already, and a restore replaces nothing. Name a new folder, or move that one away.`,
  );
}

/** With its logs, which are there when `verify` was run on the backup and died. */
async function copyCatalog(catalog: string, staged: string): Promise<void> {
  await removeCatalog(staged);
  await fs.copyFile(catalog, staged);
  for (const end of LOGS) {
    await fs.copyFile(catalog + end, staged + end).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  // A read-only backup has read-only files, and copies are like their originals.
  await fs.chmod(staged, 0o600 | (await fs.stat(staged)).mode);
  requireCatalog(staged, catalog);
  settle(staged);
}

async function copyNamed(
  staged: string,
  from: DataFolder,
  to: DataFolder,
  progress: RestoreOptions['progress'],
) {
  using snapshot = new Snapshot(staged);
  const { counts } = snapshot;
  let done = 0;
  const { faults } = await copyBlobs({
    blobs: snapshot.blobs(),
    from: from.blobs,
    to: { blobs: to.blobs, staging: to.incoming },
    check: true,
    progress: () => progress(++done, counts.blobs),
  });
  return { counts, faults };
}

async function putInPlace(staged: string, to: DataFolder): Promise<void> {
  settle(staged);
  await syncFile(staged);
  for (const end of BESIDE_CATALOG) await fs.rm(to.catalog + end, { force: true });
  await fs.rename(staged, to.catalog);
  await syncFile(to.path);
}

/** What `verify` would find: files were compared when they were copied. Migrates the catalog. */
async function check(path: string, faults: readonly BlobFault[]): Promise<string[]> {
  const catalog = await SqliteCatalog.open(path);
  try {
    const findings: string[] = [];
    for (const { sha256, message } of faults) {
      const images = (await catalog.imagesOfBlob(sha256, NAMED_IMAGES)).join(', ');
      findings.push(`${message} Images: ${images}. Sending the same file again brings them back.`);
    }
    for (const fault of await catalog.check()) {
      findings.push(`The catalog disagrees with itself: ${fault}.`);
    }
    return findings;
  } finally {
    await catalog.close();
  }
}

/**
 * Who restores as root, into a folder of the user that the service runs as, means it for that user.
 */
async function giveToOwner(folder: string): Promise<void> {
  const { uid, gid } = await fs.stat(folder);
  if (process.getuid?.() !== 0 || uid === 0) return;
  for await (const entry of await fs.opendir(folder, { recursive: true })) {
    await fs.lchown(join(entry.parentPath, entry.name), uid, gid);
  }
}

async function removeCatalog(path: string): Promise<void> {
  for (const end of ['', ...BESIDE_CATALOG]) await fs.rm(path + end, { force: true });
}
