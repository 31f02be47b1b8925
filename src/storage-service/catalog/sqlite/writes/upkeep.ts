import type { DatabaseSync } from 'node:sqlite';
import { ServiceError } from '../../../../contract/errors.ts';
import { ANSWER_KEPT_MS } from '../../../../contract/limits.ts';
import type { Blob, Lease } from '../../catalog.ts';
import { LEASE_ENDED } from '../hold.ts';
import type { Row } from '../rows.ts';
import type { SearchIndex } from '../search/search-index.ts';
import { Statements } from '../statements.ts';
import { operationIdReused, type Writer } from './writer.ts';

/** Bytes sent and never claimed: what a misbehaving client can fill the disk with. */
const UNCLAIMED_MAX_BYTES = 1024 ** 3;
/** As long as the answers: whoever looks for what happened finds both. */
const EVENT_KEPT_MS = 24 * 60 * 60 * 1000;
/** Unpublished events: a hub that was away for longer has no consumer that still waits for them. */
const UNPUBLISHED_KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** Blobs and what keeps them. Like the Writer's, its calls run within a transaction of the caller. */
export class Upkeep {
  readonly #statements: Statements;
  readonly #writer: Writer;
  readonly #index: SearchIndex;

  constructor(db: DatabaseSync, writer: Writer, index: SearchIndex) {
    this.#statements = new Statements(db);
    this.#writer = writer;
    this.#index = index;
  }

  /** Who gave up waiting must not find the row later: the bytes may be gone by then. */
  addLease(lease: Lease, blob: Blob, deadline: number): boolean {
    if (Date.now() > deadline) {
      const message = 'The deadline passed before the bytes were taken; send them again.';
      throw new ServiceError('deadline_exceeded', message);
    }
    const { operation_id, source_sha256, source_size_bytes, expires_at } = lease;
    const held = this.#statements.get(
      'select source_sha256 from leases where operation_id = ?',
      operation_id,
    );
    if (held && held.source_sha256 !== source_sha256) throw operationIdReused();
    if (!held) this.#requireRoom(source_size_bytes);
    this.#statements.run(
      `insert into leases values (?, ?, ?, ?, 0, ?)
       on conflict (operation_id) do update set expires_at = excluded.expires_at`,
      operation_id,
      this.#blobId(blob),
      source_sha256,
      source_size_bytes,
      expires_at,
    );
    return held !== undefined;
  }

  expireLease(operationId: string): string[] {
    const expired = this.#statements.all(
      `update leases set expires_at = 0 where operation_id = ? and claimed = 0
       returning (select sha256 from blobs where id = leases.blob) as sha256`,
      operationId,
    );
    return expired.map(({ sha256 }) => sha256 as string);
  }

  expireUploadLeases(): void {
    this.#statements.run('update leases set expires_at = 0 where claimed = 0');
  }

  purge(deletedBefore: number, limit: number): number {
    const rows = this.#statements.all(
      `select seq, blob from images
       where deleted_at is not null and deleted_at < ? order by deleted_at limit ?`,
      deletedBefore,
      limit,
    );
    if (rows.length > 0) this.#index.write();
    for (const { seq, blob } of rows) {
      this.#index.remove(seq as number, true);
      this.#statements.run('delete from images where seq = ?', seq as number);
      this.#writer.retain(blob as number, Date.now());
    }
    return rows.length;
  }

  /**
   * Both are in order of time, so the oldest tell whether there is anything to forget; those of a clock
   * that was ahead are passed over, as they would keep all that came later. The newest
   * event stays: SQLite would give its place to the next one, which would then count as published.
   */
  forget(now: number, limit: number): number {
    const answers = this.#statements.all(
      `delete from operations where expires_at < ? and seq in
         (select seq from operations where expires_at <= ? order by seq limit ?) returning 1`,
      now,
      now + ANSWER_KEPT_MS,
      limit,
    );
    const events = this.#statements.all(
      `delete from events where created_at < ?
         and (created_at < ? or seq <= (select value from settings where name = 'published_events'))
         and seq < (select max(seq) from events)
         and seq in (select seq from events where created_at <= ? order by seq limit ?) returning 1`,
      now - EVENT_KEPT_MS,
      now - UNPUBLISHED_KEPT_MS,
      now,
      limit,
    );
    this.#statements.run(
      `delete from deleted_themes where name in
         (select name from deleted_themes where deleted_at not between ? and ? limit ?)`,
      now - ANSWER_KEPT_MS,
      now + ANSWER_KEPT_MS,
      limit,
    );
    return answers.length + events.length;
  }

  eventsPublished(place: number): void {
    this.#statements.run(`update settings set value = ? where name = 'published_events'`, place);
  }

  forgetBlob(sha256: string, now: number): boolean {
    const blob = this.#statements.get('select id from blobs where sha256 = ?', sha256)?.id;
    if (blob !== undefined) {
      this.#statements.run(`delete from leases where blob = ?2 and ${LEASE_ENDED}`, now, blob);
      const kept = this.#statements.get(
        `select exists (select 1 from images where blob = ?1)
           or exists (select 1 from leases where blob = ?1) as kept`,
        blob,
      )?.kept;
      if (kept) {
        // Bytes that were to be deleted came again before they were.
        this.blobDeleted(sha256);
        return false;
      }
      this.#statements.run('delete from blobs where id = ?', blob);
    }
    // Should the process die before the bytes are deleted, this remembers that they are to be.
    this.#statements.run('insert or ignore into removals values (?)', sha256);
    return true;
  }

  blobDeleted(sha256: string): void {
    this.#statements.run('delete from removals where sha256 = ?', sha256);
  }

  /** Proves that it can write. SQLite writes nothing when a row stays as it is, so this changes one. */
  touch(now: number): void {
    this.#statements.run(`insert or replace into settings values ('touched_at', ?)`, now);
  }

  #requireRoom(bytes: number): void {
    const sql = `select value from settings where name = 'unclaimed_bytes'`;
    const unclaimed = this.#statements.get(sql)?.value as number;
    if (unclaimed + bytes <= UNCLAIMED_MAX_BYTES) return;
    const message = 'Too many bytes were sent that no image claimed yet; try again later.';
    throw new ServiceError('storage_full', message);
  }

  #blobId(blob: Blob): number {
    const known = this.#statements.get('select id from blobs where sha256 = ?', blob.sha256);
    if (known) return known.id as number;
    const row: Row = { ...blob, palette: JSON.stringify(blob.palette) };
    const names = Object.keys(row);
    const sql = `insert into blobs (${names.join(', ')}) values (${names.map(() => '?').join(', ')})
      returning id`;
    return this.#statements.get(sql, ...Object.values(row))?.id as number;
  }
}
