import { flushCompileCache } from 'node:module';
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ServiceError, toServiceError } from '../../../../contract/errors.ts';
import { toJson } from '../../../../contract/json.ts';
import { catalogFault, connect } from '../connection.ts';
import { Reader } from '../reader.ts';
import { migrate } from '../schema.ts';
import { Lister } from '../search/lister.ts';
import { SearchIndex } from '../search/search-index.ts';
import { Tidy } from '../search/tidy.ts';
import { Statements } from '../statements.ts';
import { faultsOf, rebuild } from '../writes/consistency.ts';
import { Upkeep } from '../writes/upkeep.ts';
import { Writer } from '../writes/writer.ts';
import {
  type Answered,
  type Asked,
  CLOSE,
  type ReadCalls,
  type WorkerSettings,
  type WriteCalls,
} from './messages.ts';

/**
 * A thread of the SqliteCatalog. node:sqlite blocks the thread that calls it, for a quarter of a
 * second when the disk is busy, so it must not be the one that serves requests.
 *
 * Writes that wait while a commit is under way share the next one, and so do those that come while
 * it is made: a commit costs a sync of the disk, however much it holds.
 */

/** Bounds how long the first write of a group waits for the last. */
const GROUP_MAX_CALLS = 64;

const port = parentPort!;
const { path, access } = workerData as WorkerSettings;
const db = connect(path, access);

if (access === 'write') serveWrites(db);
else serveReads(db);
// The threads after this one then load what this one has compiled.
flushCompileCache();
port.postMessage('ready');

function serveReads(db: DatabaseSync): void {
  const lister = new Lister(db);
  const reader = new Reader(db);
  const calls: ReadCalls = {
    list: (filter, deadline) => toJson(lister.list(filter, deadline)),
    findImage: (imageId) => reader.findImage(imageId),
    listThemes: () => reader.listThemes(),
    findBlob: (sha256) => reader.findBlob(sha256),
    unpublishedEvents: (limit) => reader.unpublishedEvents(limit),
    blobsToRelease: (now, limit) => reader.blobsToRelease(now, limit),
    blobsAfter: (sha256, limit) => reader.blobsAfter(sha256, limit),
    imagesOfBlob: (sha256, limit) => reader.imagesOfBlob(sha256, limit),
    check,
    usage: () => reader.usage(),
  };
  port.on('message', (asked: Asked | typeof CLOSE) => {
    if (asked === CLOSE) return close();
    try {
      port.postMessage({ id: asked.id, value: run(calls, asked) } satisfies Answered);
    } catch (error) {
      port.postMessage(refusal(asked.id, error));
    }
  });
}

/**
 * By a connection of its own: the integrity check of FTS5 trusts what its connection remembers of
 * the index, though another connection may have written it anew.
 */
function check(): string[] {
  const db = connect(path, 'read');
  try {
    // One state of the catalog, whoever changes it meanwhile.
    db.exec('begin');
    return faultsOf(db);
  } finally {
    db.close();
  }
}

function serveWrites(db: DatabaseSync): void {
  migrate(db);
  const statements = new Statements(db);
  const index = new SearchIndex(statements);
  const writer = new Writer(db, index);
  const upkeep = new Upkeep(db, writer, index);
  const tidy = new Tidy(statements);
  const calls: WriteCalls = {
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
    rebuild: () => rebuild(db, index),
  };
  let closing = false;
  port.on('message', (asked: Asked | typeof CLOSE) => {
    if (asked === CLOSE) closing = true;
    else for (const answer of commit(asked)) port.postMessage(answer);
    if (closing) close();
  });

  /** `first`, and what else has come or comes while it is carried out. */
  function commit(first: Asked): Answered[] {
    const group: Asked[] = [];
    try {
      statements.run('begin immediate');
      const answers: Answered[] = [];
      for (let asked: Asked | undefined = first; asked; asked = next(group)) {
        group.push(asked);
        answers.push(execute(asked));
      }
      const indexed = index.write();
      statements.run('commit');
      tidy.changed(indexed);
      return answers;
    } catch (error) {
      if (db.isTransaction) db.exec('rollback');
      writer.undone();
      index.undone('transaction');
      return group.map(({ id }) => refusal(id, error));
    }
  }

  function next(group: Asked[]): Asked | undefined {
    if (closing || group.length >= GROUP_MAX_CALLS) return undefined;
    const asked = receiveMessageOnPort(port)?.message as Asked | typeof CLOSE | undefined;
    if (asked !== CLOSE) return asked;
    closing = true;
    return undefined;
  }

  function execute(asked: Asked): Answered {
    statements.run('savepoint command');
    try {
      const value = run(calls, asked);
      statements.run('release command');
      return value instanceof ServiceError ? refusal(asked.id, value) : { id: asked.id, value };
    } catch (error) {
      // A full disk undoes the whole transaction at once, and with it every command of the group.
      if (!db.isTransaction) throw error;
      db.exec('rollback to command; release command');
      writer.undone();
      index.undone('command');
      return refusal(asked.id, error);
    }
  }
}

function close(): void {
  if (db.isOpen) db.close();
  port.close();
}

function run(calls: object, { call, values }: Asked): unknown {
  return (calls as Record<string, (...values: unknown[]) => unknown>)[call]?.(...values);
}

function refusal(id: number, error: unknown): Answered {
  const fault = toServiceError(catalogFault(error));
  const cause = fault.cause instanceof Error ? fault.cause.stack : undefined;
  return { id, error: fault.toData(), ...(cause !== undefined && { cause }) };
}
