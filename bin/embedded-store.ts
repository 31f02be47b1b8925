import { DecoderPool } from '../src/media/decoder-pool.ts';
import { FileBlobStore } from '../src/storage-service/blobs/file-blob-store.ts';
import type { Catalog } from '../src/storage-service/catalog/catalog.ts';
import { SqliteCatalog } from '../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import type { StorageServiceConfig } from '../src/storage-service/config.ts';
import { CopiedFolder } from '../src/storage-service/copied-folder.ts';
import { Damages } from '../src/storage-service/damages.ts';
import { openDataFolder } from '../src/storage-service/data-folder.ts';
import { Intake } from '../src/storage-service/intake.ts';
import { KeyedLock } from '../src/storage-service/keyed-lock.ts';
import { requireCatalogOfFiles, requireFilesOfCatalog } from '../src/storage-service/lost-parts.ts';
import { Scrub } from '../src/storage-service/scrub.ts';
import { Store } from '../src/storage-service/store.ts';
import { Sweeper } from '../src/storage-service/sweeper.ts';
import type { Log } from '../src/telemetry/log.ts';
import type { Metrics } from '../src/telemetry/metrics.ts';
import { measureScrub, measureState } from './measured.ts';

/** A Store over SQLite and files in one data folder. */
export async function openEmbeddedStore(
  config: StorageServiceConfig,
  version: string,
  log: Log,
  metrics: Metrics,
): Promise<{ store: Store; catalog: Catalog; sweeper: Sweeper; close(): Promise<void> }> {
  await using closing = new AsyncDisposableStack();
  const folder = await openDataFolder(config.dataDir);
  closing.defer(() => folder.release());
  const shown = `DATA_DIR=${config.dataDir}`;
  await requireCatalogOfFiles(shown, folder.catalog, new FileBlobStore(folder.blobs));
  const catalog = await SqliteCatalog.open(folder.catalog, log).catch((error: Error) => {
    throw new Error(
      `${shown}: the catalog cannot be opened (${error.message}). Restore catalog.sqlite from a backup, or name another folder.`,
      { cause: error },
    );
  });
  closing.defer(() => catalog.close());
  const inspector = new DecoderPool();
  closing.defer(() => inspector.close());

  const damages = new Damages(catalog, log);
  const blobs = new FileBlobStore(folder.blobs, damages);
  await requireFilesOfCatalog(shown, catalog, blobs);
  const locks = new KeyedLock();
  const known = (sha256: string) => catalog.findBlob(sha256);
  const taken = (size: number, before: boolean) => metrics.upload(size, before);
  const intake = new Intake(folder.incoming, inspector, known, taken);
  measureState(metrics, { dataDir: config.dataDir, inspector, damages, catalog });
  void catalog.lookForDamage();
  const { retentionDays, sweepSeconds, scrubDays: days } = config;
  const intervalMs = sweepSeconds * 1000;
  const sweeper = new Sweeper({ catalog, blobs, intake, locks, log, retentionDays, intervalMs });
  sweeper.start();
  closing.defer(() => sweeper.stop());
  const copied = new CopiedFolder({ catalog, blobs, observer: damages, folder, log });
  copied.start();
  closing.defer(() => copied.stop());
  const scrub = new Scrub({ catalog, blobs, observer: damages, place: folder.scrub, days, log });
  scrub.start();
  closing.defer(() => scrub.stop());
  measureScrub(metrics, scrub);

  const store = new Store({
    version,
    catalog,
    blobs,
    observer: damages,
    intake,
    sweeper,
    locks,
  });
  const opened = closing.move();
  return { store, catalog, sweeper, close: () => opened.disposeAsync() };
}
