import type { StatementSync } from 'node:sqlite';
import type { Image } from '../../../src/contract/image.ts';
import {
  IMAGE_COLUMNS,
  type Row,
  toImage,
} from '../../../src/storage-service/catalog/sqlite/rows.ts';
import { faultsOf } from '../../../src/storage-service/catalog/sqlite/writes/consistency.ts';
import type { Disk } from '../storage/disk.ts';
import type { World } from '../world/world.ts';

const KEPT_BLOBS = `
  select sha256, size_bytes, null as operation_id from images join blobs on blobs.id = blob
  union select sha256, size_bytes, iif(claimed, null, operation_id) from leases join blobs on blobs.id = blob`;

/** What must be true of blobs and rows, looked at from outside. */
export class StateChecks {
  readonly #world: World;
  readonly #disk: () => Disk;
  #kept: StatementSync | undefined;

  constructor(world: World, disk: () => Disk) {
    this.#world = world;
    this.#disk = disk;
  }

  /** At every moment: nothing can take away bytes that an image has, or that were said to be kept. */
  bytesAreThere(): void {
    const { db, blobs, leased } = this.#disk();
    this.#kept ??= db.prepare(KEPT_BLOBS);
    for (const { sha256, size_bytes, operation_id } of this.#kept.all()) {
      if (operation_id !== null && !leased.has(operation_id as string)) continue;
      const file = blobs.get(sha256 as string);
      if (file?.durable && file.bytes.length === size_bytes) continue;
      const name = this.#world.trace.name('blob', sha256 as string);
      const what = `${name} of ${operation_id === null ? 'an image' : 'an upload'}`;
      const state = file ? 'not durable' : 'not there';
      this.#world.broken('bytes are durable before they are told of', `${what} is ${state}`);
    }
  }

  catalogIsSound(): void {
    for (const fault of faultsOf(this.#disk().db)) {
      this.#world.broken('the catalog agrees with itself', fault);
    }
  }

  /** After all leases have expired and a sweep: a blob for each reference, and nothing else. */
  nothingLeftOver(when: string): void {
    const { db, blobs, incoming } = this.#disk();
    const column = (sql: string) =>
      db
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    const used = column('select distinct sha256 from images join blobs on blobs.id = images.blob');
    const rows = column('select sha256 from blobs');
    const extra = {
      'rows without files': rows.filter((sha256) => !blobs.has(sha256 as string)),
      rows: rows.filter((sha256) => !used.includes(sha256)),
      files: [...blobs.keys()].filter((sha256) => !used.includes(sha256)),
      leases: column('select operation_id from leases'),
      removals: column('select sha256 from removals'),
      incoming: [...incoming.keys()],
    };
    for (const [what, left] of Object.entries(extra)) {
      if (left.length === 0) continue;
      this.#world.broken('a sweep leaves nothing over', `${left.length} ${what} ${when}`);
    }
  }

  images(): Image[] {
    const sql = `select ${IMAGE_COLUMNS} from images i join blobs b on b.id = i.blob order by i.seq`;
    return (this.#disk().db.prepare(sql).all() as Row[]).map(toImage);
  }
}
