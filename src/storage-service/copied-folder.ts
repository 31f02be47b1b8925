import * as fs from 'node:fs/promises';
import type { BlobStore } from './blobs/blob-store.ts';
import type { DamageObserver } from './blobs/damage.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { DataFolder } from './data-folder.ts';

const PAGE_BLOBS = 500;

type Log = {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
};

type Parts = {
  catalog: Pick<Catalog, 'blobsAfter' | 'findBlob'>;
  blobs: Pick<BlobStore, 'size'>;
  observer: DamageObserver;
  /** `identity` is a file that tells which folder this was at its last start. */
  folder: Pick<DataFolder, 'blobs' | 'incoming' | 'catalog' | 'identity'>;
  log: Log;
};

/**
 * Recognises a data folder that is a copy. A copy made while a service ran looks complete and may lack
 * files, as the catalog names those that came after their folder was copied. So when the folder is not
 * the one of the last start, every file of the catalog is looked up, in the background: a folder that
 * was moved is whole, and serves meanwhile.
 */
export class CopiedFolder {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.check().catch((error) => {
      const message =
        'Whether the data folder is whole could not be checked; the next start repeats it';
      this.#parts.log.error({ err: error }, message);
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async check(): Promise<void> {
    const { folder, log } = this.#parts;
    const identity = await identityOf(folder);
    const before = await fs.readFile(folder.identity, 'utf8').catch(() => undefined);
    if (before === identity) return;
    // The first start of a new folder, or of one that an older release left, is no news.
    if (before !== undefined) {
      log.warn(
        {},
        'The data folder was moved or copied since its last start: looking up every stored file. Only "npm run backup" copies a folder that is in use',
      );
    }
    const { checked, missing } = await this.#lookUp();
    if (this.#stop.signal.aborted) return;
    if (missing > 0) {
      log.error(
        { checked, missing },
        'The data folder lacks stored files. Restore it from a backup, or send the files of the images named above again',
      );
    } else if (before !== undefined) {
      log.info({ checked }, 'The data folder has every stored file');
    }
    // On a full disk the next start checks again.
    await fs.writeFile(folder.identity, identity).catch(() => {});
  }

  async #lookUp(): Promise<{ checked: number; missing: number }> {
    const { catalog, blobs, observer } = this.#parts;
    let [checked, missing, after] = [0, 0, ''];
    for (;;) {
      const page = await catalog.blobsAfter(after, PAGE_BLOBS);
      for (const { sha256, size_bytes } of page) {
        if (this.#stop.signal.aborted) return { checked, missing };
        checked += 1;
        after = sha256;
        const size = await blobs.size(sha256);
        if (size === size_bytes || !(await catalog.findBlob(sha256))) continue;
        missing += 1;
        observer.damaged(sha256, size === undefined ? 'missing' : 'size');
      }
      if (page.length < PAGE_BLOBS) return { checked, missing };
    }
  }
}

/** Stays when the folder is renamed, and is another for each copy. Devices may change at a restart. */
async function identityOf({ blobs, incoming, catalog }: Parts['folder']): Promise<string> {
  const stats = await Promise.all([blobs, incoming, catalog].map((path) => fs.stat(path)));
  return stats.map(({ ino }) => ino).join(' ');
}
