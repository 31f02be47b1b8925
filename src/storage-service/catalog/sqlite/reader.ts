import type { DatabaseSync } from 'node:sqlite';
import type { Image } from '../../../contract/image.ts';
import type { Theme } from '../../../contract/theme.ts';
import type { Blob, RecordedEvent, Usage } from '../catalog.ts';
import { LEASE_ENDED } from './hold.ts';
import { BLOB_COLUMNS, IMAGE_COLUMNS, json, toBlob, toImage } from './rows.ts';
import { Statements } from './statements.ts';
import { allThemes } from './writes/themes.ts';

/** Rows looked up by their keys. */
export class Reader {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statements = new Statements(db);
  }

  findImage(imageId: string): Image | undefined {
    const sql = `select ${IMAGE_COLUMNS} from images i join blobs b on b.id = i.blob
      where i.id = ?`;
    const row = this.#statements.get(sql, imageId);
    return row && toImage(row);
  }

  listThemes(): Theme[] {
    return allThemes(this.#db);
  }

  findBlob(sha256: string): Blob | undefined {
    const row = this.#statements.get(
      `select ${BLOB_COLUMNS} from blobs b where b.sha256 = ?`,
      sha256,
    );
    return row && toBlob(row);
  }

  unpublishedEvents(limit: number): RecordedEvent[] {
    const sql = `select seq as place, message_id, event_type, data, created_at, operation_id
      from events
      where seq > (select value from settings where name = 'published_events')
      order by seq limit ?`;
    return this.#statements.all(sql, limit).map((row) => {
      const { place, message_id, event_type, data, created_at, operation_id } = row;
      const event = { message_id, event_type, data: json(data) };
      return { place, event, created_at, operation_id } as RecordedEvent;
    });
  }

  blobsToRelease(now: number, limit: number): string[] {
    const rows = this.#statements.all(
      `select sha256 from removals
       union select b.sha256 from leases l join blobs b on b.id = l.blob where ${LEASE_ENDED}
       limit ?2`,
      now,
      limit,
    );
    return rows.map(({ sha256 }) => sha256 as string);
  }

  imagesOfBlob(sha256: string, limit: number): string[] {
    const sql = `select i.id from images i join blobs b on b.id = i.blob
      where b.sha256 = ? limit ?`;
    return this.#statements.all(sql, sha256, limit).map(({ id }) => id as string);
  }

  blobsAfter(sha256: string, limit: number): Blob[] {
    const sql = `select ${BLOB_COLUMNS} from blobs b where b.sha256 > ? order by b.sha256 limit ?`;
    return this.#statements.all(sql, sha256, limit).map(toBlob);
  }

  usage(): Usage {
    const sql = `select (select count(*) from images) as images, count(*) as blobs,
      coalesce(sum(size_bytes), 0) as bytes from blobs`;
    return this.#statements.get(sql) as Usage;
  }
}
