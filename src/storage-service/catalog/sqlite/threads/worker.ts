import { flushCompileCache } from 'node:module';
import type { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ServiceError, toServiceError } from '../../../../contract/errors.ts';
import { isCatalogDamaged } from '../../../disk-fault.ts';
import { catalogFault, connect } from '../connection.ts';
import { faultsOf } from '../writes/consistency.ts';
import {
  type Answered,
  type Asked,
  CLOSE,
  type Notice,
  REPAIR,
  type ReadCalls,
  type WorkerSettings,
} from './messages.ts';
import { readCallsOf } from './read-calls.ts';
import { WriteConnection } from './write-connection.ts';

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
  const calls: ReadCalls = { ...readCallsOf(db), check };
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
  const writes = new WriteConnection(db, (clockBehindMs) => {
    port.postMessage({ clockBehindMs } satisfies Notice);
  });
  let closing = false;
  let damage: ServiceError | undefined;
  port.on('message', (asked: Asked | typeof CLOSE) => {
    if (asked === CLOSE) closing = true;
    else for (const answer of commit([asked], next)) port.postMessage(answer);
    if (closing) close();
  });

  /** `group`, and what comes while it is carried out. */
  function commit(group: Asked[], more?: (taken: number) => Asked | undefined): Answered[] {
    if (damage && group[0]?.call !== REPAIR) return group.map(({ id }) => refusal(id, damage));
    try {
      writes.begin();
      const answers: Answered[] = [];
      for (const asked of group) {
        answers.push(execute(asked));
        const came = more?.(group.length);
        if (came) group.push(came);
      }
      writes.commit();
      return answers;
    } catch (error) {
      writes.undo();
      // Alone, none costs another its effect.
      if (group.length > 1) return group.flatMap((asked) => commit([asked]));
      const fault = catalogFault(error);
      // What has been found damaged is not written to any more, except to mend it.
      if (isCatalogDamaged(fault) && group[0]?.call !== REPAIR) damage = fault;
      return group.map(({ id }) => refusal(id, fault));
    }
  }

  function next(taken: number): Asked | undefined {
    if (closing || taken >= GROUP_MAX_CALLS) return undefined;
    const asked = receiveMessageOnPort(port)?.message as Asked | typeof CLOSE | undefined;
    if (asked !== CLOSE) return asked;
    closing = true;
    return undefined;
  }

  function execute(asked: Asked): Answered {
    try {
      const value = run(writes.calls, asked);
      return value instanceof ServiceError ? refusal(asked.id, value) : { id: asked.id, value };
    } catch (error) {
      if (error instanceof ServiceError) return refusal(asked.id, error);
      throw error;
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
