import { DatabaseSync } from 'node:sqlite';
import { migrate } from '../../../src/storage-service/catalog/sqlite/schema.ts';
import type { World } from '../world/world.ts';

type StoredFile = {
  bytes: Uint8Array;
  modifiedAt: number;
  /** Its bytes and its name are synced. */
  durable: boolean;
};

/** An empty catalog, made once. */
let empty: Uint8Array | undefined;

/** What survives a process: all of it its death, and what was synced a power cut too. */
export class Disk {
  /** By SHA-256. */
  readonly blobs = new Map<string, StoredFile>();
  /** Files of the intake, by name. */
  readonly incoming = new Map<string, Uint8Array>();
  /** Every transaction that was committed is durable. */
  readonly db: DatabaseSync;
  /** Operations that were told that their bytes are kept for them. */
  readonly leased = new Set<string>();
  /** Files that were deleted, which is not synced. */
  readonly #deleted = new Map<string, StoredFile>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.db = new DatabaseSync(':memory:');
    empty ??= emptyCatalog();
    this.db.deserialize(empty);
  }

  link(sha256: string, bytes: Uint8Array): void {
    this.blobs.set(sha256, { bytes, modifiedAt: this.#world.time.now, durable: false });
  }

  sync(sha256: string): void {
    const file = this.blobs.get(sha256);
    if (file) file.durable = true;
    this.#deleted.delete(sha256);
  }

  unlink(sha256: string): boolean {
    const file = this.blobs.get(sha256);
    if (file?.durable) this.#deleted.set(sha256, file);
    return this.blobs.delete(sha256);
  }

  /** Whatever was not synced may be there or not. */
  cutPower(): void {
    const { chance } = this.#world;
    for (const [sha256, { durable }] of this.blobs) {
      if (!durable && chance.oneIn(2)) this.blobs.delete(sha256);
    }
    for (const [sha256, file] of this.#deleted) {
      if (!this.blobs.has(sha256) && chance.oneIn(2)) this.blobs.set(sha256, file);
    }
    this.#deleted.clear();
    for (const name of this.incoming.keys()) {
      if (chance.oneIn(2)) this.incoming.delete(name);
    }
  }
}

function emptyCatalog(): Uint8Array {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  return db.serialize();
}
