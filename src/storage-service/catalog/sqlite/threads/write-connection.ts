import type { DatabaseSync } from 'node:sqlite';
import { migrate } from '../schema.ts';
import { Reindexing } from '../search/reindexing.ts';
import { SearchIndex } from '../search/search-index.ts';
import { Tidy } from '../search/tidy.ts';
import { Statements } from '../statements.ts';
import { rebuild } from '../writes/consistency.ts';
import { Upkeep } from '../writes/upkeep.ts';
import { Writer } from '../writes/writer.ts';
import type { WriteCalls } from './messages.ts';

/**
 * The calls that change rows, of the one connection that may, and the transaction that several of
 * them share. A call refuses with a ServiceError before its first change; whatever else it throws
 * may leave half of its changes behind, and then the transaction is to be undone.
 */
export class WriteConnection {
  readonly calls: WriteCalls;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #index: SearchIndex;
  readonly #writer: Writer;
  readonly #tidy: Tidy;

  /** Makes or migrates the schema. */
  constructor(db: DatabaseSync, clockWentBack?: (byMs: number) => void) {
    migrate(db);
    const statements = new Statements(db);
    const index = new SearchIndex(statements);
    const writer = new Writer(db, index, clockWentBack);
    const tidy = new Tidy(statements);
    this.#db = db;
    this.#statements = statements;
    this.#index = index;
    this.#writer = writer;
    this.#tidy = tidy;
    const reindexing = new Reindexing(statements, index);
    const upkeep = new Upkeep(db, writer, index);
    this.calls = {
      execute: (command, operation) => writer.execute(command, operation),
      addLease: (lease, blob, deadline) => upkeep.addLease(lease, blob, deadline),
      expireLease: (operationId) => upkeep.expireLease(operationId),
      expireUploadLeases: () => upkeep.expireUploadLeases(),
      purge: (deletedBefore, limit) => upkeep.purge(deletedBefore, limit),
      forget: (now, limit) => upkeep.forget(now, limit),
      eventsPublished: (place) => upkeep.eventsPublished(place),
      forgetBlob: (sha256, now) => upkeep.forgetBlob(sha256, now),
      blobDeleted: (sha256) => upkeep.blobDeleted(sha256),
      touch: (now) => upkeep.touch(now),
      tidy: () => tidy.step(),
      reindex: () => reindexing.step(),
      rebuild: () => rebuild(db, index),
    };
  }

  begin(): void {
    this.#statements.run('begin immediate');
  }

  /** Durable when it returns. */
  commit(): void {
    const indexed = this.#index.write();
    this.#statements.run('commit');
    this.#tidy.changed(indexed);
  }

  undo(): void {
    // A full disk has ended it already.
    if (this.#db.isTransaction) this.#db.exec('rollback');
    this.#writer.undone();
    this.#index.undone();
  }
}
