import { DatabaseSync } from 'node:sqlite';
import { ServiceError } from '../../../contract/errors.ts';
import { catalogDamaged, storageFull, storageUnavailable } from '../../disk-fault.ts';

/**
 * Page cache of one connection. The operating system's cache holds what does not fit: to readers a
 * quarter of the size costs nothing that can be measured, with a million images.
 */
const CACHE_KIB = { write: 32 * 1024, read: 8 * 1024 };
/**
 * Pages of 4 KiB: 64 MB. The longer the log, the fewer checkpoints (four times as long: a tenth more
 * creates a second), but also the more of it to read at a start after a crash.
 */
const CHECKPOINT_PAGES = 16_000;
const LOG_MAX_BYTES = 64 * 1024 * 1024;
/** Another process has the catalog for moments only: `verify`, or a backup. */
const BUSY_MS = 5_000;

export function connect(path: string, access: 'write' | 'read'): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: access === 'read', timeout: BUSY_MS });
  if (access === 'write') {
    db.exec(`pragma journal_mode = wal; pragma synchronous = full;
      pragma wal_autocheckpoint = ${CHECKPOINT_PAGES};
      pragma journal_size_limit = ${LOG_MAX_BYTES};`);
  }
  db.exec(`pragma cache_size = -${CACHE_KIB[access]}; pragma temp_store = memory;`);
  return db;
}

/** Primary result codes, https://sqlite.org/rescode.html */
const FULL = 13;
const DAMAGED = new Set([11, 26]); // corrupt, not a database
const AWAY = new Set([5, 6, 8, 10, 14]); // busy, locked, read-only, I/O error, cannot open

/** A row holds what no release has written there: its page was changed and is still a page. */
export class DamagedRowError extends Error {}

/** What a failed statement means to a client; an error that is none passes unchanged. */
export function catalogFault(error: unknown): unknown {
  if (error instanceof ServiceError) return error;
  if (error instanceof DamagedRowError) return catalogDamaged(error);
  const { errcode } = error as { errcode?: number };
  if (errcode === undefined) return error;
  const primary = errcode & 0xff;
  if (primary === FULL) return storageFull(error);
  if (DAMAGED.has(primary)) return catalogDamaged(error);
  return AWAY.has(primary) ? storageUnavailable(error) : error;
}
