import { DatabaseSync } from 'node:sqlite';
import { ServiceError } from '../../contract/errors.ts';
import { catalogFault, connect } from '../catalog/sqlite/connection.ts';
import { endRetained, holdRetained } from '../catalog/sqlite/hold.ts';
import { knownSchema } from '../catalog/sqlite/schema.ts';
import { isCatalogDamaged } from '../disk-fault.ts';

/** How long bytes stay held after a backup that died. A running one asks again long before. */
export const HOLD_MS = 10 * 60 * 1000;
const HOLD_AGAIN_MS = 60 * 1000;

/**
 * A snapshot is for images alone. Uploads under way end with the process that has them, and what held bytes
 * back for readers, or noted them for removal, speaks of files that are not in the backup.
 */
const IMAGES_ALONE = `
begin;
delete from leases;
delete from removals;
delete from blobs where id not in (select blob from images);
delete from settings where name in ('retained_until', 'touched_at');
commit;`;

/**
 * Throws unless both are catalogs of one data folder, which its secret tells: after a loss of the data
 * folder a new one must not take the place of its last backup.
 */
export function requireSameCatalog(shown: string, before: string, now: string): void {
  const secretOf = (path: string) => {
    using db = new DatabaseSync(path, { readOnly: true });
    const row = db.prepare("select hex(value) as secret from settings where name = 'cursor_key'");
    return row.get()?.secret;
  };
  if (secretOf(before) === secretOf(now)) return;
  throw new Error(
    `${shown}: holds the backup of another data folder. Is this the right DATA_DIR? Name a new folder, or remove that backup first.`,
  );
}

export type SnapshotBlob = { sha256: string; size_bytes: number };

/** The catalog of a service that may be running, and the bytes that it holds for a backup meanwhile. */
export class SnapshotSource {
  readonly #db: DatabaseSync;
  #heldAt = 0;
  #heldUntil = 0;

  /** Throws when the schema is newer than this release. The catalog is not migrated. */
  constructor(catalog: string) {
    requireCatalog(catalog);
    this.#db = connect(catalog, 'write');
  }

  /**
   * To be called again and again while files are copied. It matters from a day after the snapshot on: until
   * then their own leases keep the bytes that it names. So it may fail, on a full disk say, which is when one
   * wants a backup; should bytes be gone, the backup fails and the next one goes on from there.
   */
  hold(): void {
    if (Date.now() - this.#heldAt < HOLD_AGAIN_MS) return;
    this.#heldAt = Date.now();
    this.#heldUntil = this.#heldAt + HOLD_MS;
    unlessDiskFault(() => holdRetained(this.#db, this.#heldUntil));
  }

  /**
   * Writes a catalog of one moment to a file that is not there yet. `VACUUM INTO` reads in one transaction,
   * beside which others write on; the backup API of SQLite begins anew at each write of another process.
   */
  take(path: string): void {
    this.#db.prepare('vacuum into ?').all(path);
    using db = new DatabaseSync(path);
    db.exec(IMAGES_ALONE);
  }

  /** What cannot be ended now ends by itself. */
  close(): void {
    unlessDiskFault(() => endRetained(this.#db, this.#heldUntil));
    this.#db.close();
  }
}

/** Damage is none: trying again does not help. */
function isDiskFault(error: unknown): boolean {
  const fault = catalogFault(error);
  return fault instanceof ServiceError && !isCatalogDamaged(fault);
}

function unlessDiskFault(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isDiskFault(error)) throw error;
  }
}

/** A snapshot that nobody changes. */
export class Snapshot {
  readonly #db: DatabaseSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true });
  }

  get counts(): { images: number; blobs: number; bytes: number } {
    const sql = `select (select count(*) from images) as images, count(*) as blobs,
      coalesce(sum(size_bytes), 0) as bytes from blobs`;
    return this.#db.prepare(sql).get() as { images: number; blobs: number; bytes: number };
  }

  /** In order of hash, so that one folder after the other is filled. */
  blobs(): IterableIterator<SnapshotBlob> {
    const sql = 'select sha256, size_bytes from blobs order by sha256';
    return this.#db.prepare(sql).iterate() as IterableIterator<SnapshotBlob>;
  }

  names(sha256: string): boolean {
    return this.#db.prepare('select 1 from blobs where sha256 = ?').get(sha256) !== undefined;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Throws when the schema is newer than this release, and for people when the file is no catalog. */
export function requireCatalog(path: string, shown = path): void {
  try {
    using db = connect(path, 'write');
    knownSchema(db);
    db.prepare('select 1 from images limit 1').get();
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number };
    if (errcode === undefined || isDiskFault(error)) throw error;
    throw new Error(
      `${shown}: cannot be read as a catalog (${message}). Restore a backup that is whole.`,
      { cause: error },
    );
  }
}

/** What a process that died leaves beside a catalog and that belongs to its contents. */
export const LOGS = ['-wal', '-journal'];

/** Brings what may wait in the logs of a closed catalog into its file, and removes them. */
export function settle(path: string): void {
  using db = new DatabaseSync(path);
  // A journal is undone by the first who reads.
  db.exec('select 1 from sqlite_schema; pragma journal_mode = delete');
}
