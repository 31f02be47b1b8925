import type { DatabaseSync } from 'node:sqlite';
import { ServiceError, toServiceError } from '../../../src/contract/errors.ts';
import { toJson } from '../../../src/contract/json.ts';
import { catalogFault } from '../../../src/storage-service/catalog/sqlite/connection.ts';
import { Reader } from '../../../src/storage-service/catalog/sqlite/reader.ts';
import { Lister } from '../../../src/storage-service/catalog/sqlite/search/lister.ts';
import { SearchIndex } from '../../../src/storage-service/catalog/sqlite/search/search-index.ts';
import { Tidy } from '../../../src/storage-service/catalog/sqlite/search/tidy.ts';
import { Statements } from '../../../src/storage-service/catalog/sqlite/statements.ts';
import type {
  ReadCalls,
  WriteCalls,
} from '../../../src/storage-service/catalog/sqlite/threads/messages.ts';
import { Upkeep } from '../../../src/storage-service/catalog/sqlite/writes/upkeep.ts';
import { Writer } from '../../../src/storage-service/catalog/sqlite/writes/writer.ts';
import { storageUnavailable } from '../../../src/storage-service/disk-fault.ts';
import type { Process } from '../world/process.ts';

type Calls = Record<string, (...values: never[]) => unknown>;
type Answered = { value: unknown } | { error: ServiceError };
type Asked = { call: string; values: unknown[]; answer(answered: Answered): void };

const STALL_MAX_MS = 30_000;
const GROUP_MAX_CALLS = 8;

/** What runs all the time and keeps or removes no blob. */
const HARMLESS: ReadonlySet<string> = new Set(['forget', 'eventsPublished', 'tidy']);

type Options = {
  /** Told of every commit that may have changed blobs or what keeps them. */
  committed(): void;
  /** A fault: answers go out, and the commit comes a while later. */
  answersBeforeCommit: boolean;
};

/**
 * The threads of the catalog, put together as in its worker: writes that wait share a commit, reads
 * see what is committed, and who has waited until the deadline is told so while the thread goes on.
 */
export class CatalogThreads {
  readonly #process: Process;
  readonly #db: DatabaseSync;
  readonly #options: Options;
  readonly #statements: Statements;
  readonly #index: SearchIndex;
  readonly #writer: Writer;
  readonly #tidy: Tidy;
  readonly #reads: Calls;
  readonly #writes: Calls;
  readonly #waiting: Asked[] = [];
  #writing = false;

  constructor(process: Process, db: DatabaseSync, options: Options) {
    this.#process = process;
    this.#db = db;
    this.#options = options;
    const statements = new Statements(db);
    const index = new SearchIndex(statements);
    const writer = new Writer(db, index);
    const tidy = new Tidy(statements);
    this.#statements = statements;
    this.#index = index;
    this.#writer = writer;
    this.#tidy = tidy;
    this.#reads = readsOf(db) as unknown as Calls;
    this.#writes = writesOf(writer, new Upkeep(db, writer, index), tidy) as unknown as Calls;
  }

  /** By any thread that has time. */
  async read(call: string, values: unknown[], deadline: number, late: () => ServiceError) {
    return this.#ask({ call, values }, deadline, late, async (asked) => {
      await this.#process.sleep(this.#delay());
      asked.answer(this.#run(this.#reads, asked));
    });
  }

  async write(call: string, values: unknown[], deadline: number, late: () => ServiceError) {
    return this.#ask({ call, values }, deadline, late, async (asked) => {
      this.#waiting.push(asked);
      if (!this.#writing) await this.#serveWrites();
    });
  }

  async #ask(
    { call, values }: { call: string; values: unknown[] },
    deadline: number,
    late: () => ServiceError,
    serve: (asked: Asked) => Promise<void>,
  ): Promise<unknown> {
    if (Date.now() >= deadline) throw late();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => reject(late()), deadline - Date.now());
    const answer = async (answered: Answered) => {
      if (this.#process.world.chance.oneIn(2)) await this.#process.sleep(this.#delay() / 4);
      if ('error' in answered) reject(answered.error);
      else resolve(answered.value);
    };
    serve({ call, values, answer });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async #serveWrites(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      await this.#process.sleep(this.#delay());
      const group = this.#waiting.splice(0, 1 + this.#process.world.chance.below(GROUP_MAX_CALLS));
      await this.#commit(group);
    }
    this.#writing = false;
  }

  async #commit(group: Asked[]): Promise<void> {
    const what = group.map(({ call }) => call).join(', ');
    this.#statements.run('begin immediate');
    const answers = group.map((asked) => this.#execute(asked));
    const tellAll = () => {
      for (const [index, asked] of group.entries()) asked.answer(answers[index]!);
    };
    const indexed = this.#index.write();
    if (this.#options.answersBeforeCommit) {
      tellAll();
      await Promise.race([this.#process.sleep(this.#delay() * 4), this.#process.death]);
    }
    const { world, name } = this.#process;
    if (this.#process.mayDie(`before the commit of ${what}`)) {
      this.#statements.run('rollback');
      return;
    }
    if (!this.#options.answersBeforeCommit && world.goesWrong(world.profile.diskFaultOneIn)) {
      world.trace.say(name, `cannot commit ${what}`);
      this.#statements.run('rollback');
      this.#writer.undone();
      this.#index.undone('transaction');
      for (const asked of group) asked.answer({ error: storageUnavailable(new Error('EIO')) });
      return;
    }
    this.#statements.run('commit');
    this.#tidy.changed(indexed);
    world.trace.say(name, `commits ${what}`);
    if (group.some(({ call }) => !HARMLESS.has(call))) this.#options.committed();
    if (this.#process.mayDie(`after the commit of ${what}`)) return;
    if (!this.#options.answersBeforeCommit) tellAll();
  }

  #execute(asked: Asked): Answered {
    this.#statements.run('savepoint command');
    const answered = this.#run(this.#writes, asked);
    if ('error' in answered) {
      this.#db.exec('rollback to command; release command');
      this.#writer.undone();
      this.#index.undone('command');
      return answered;
    }
    this.#statements.run('release command');
    const { value } = answered;
    return value instanceof ServiceError ? { error: value } : answered;
  }

  #run(calls: Calls, { call, values }: Asked): Answered {
    try {
      return { value: calls[call]!(...(values as never[])) };
    } catch (error) {
      return { error: toServiceError(catalogFault(error)) };
    }
  }

  #delay(): number {
    const { world } = this.#process;
    if (world.goesWrong(world.profile.stallOneIn)) return world.chance.below(STALL_MAX_MS);
    return world.delay(world.profile.portMs);
  }
}

function readsOf(db: DatabaseSync): Partial<ReadCalls> {
  const lister = new Lister(db);
  const reader = new Reader(db);
  return {
    list: (filter, deadline) => toJson(lister.list(filter, deadline)),
    findImage: (imageId) => reader.findImage(imageId),
    findBlob: (sha256) => reader.findBlob(sha256),
    unpublishedEvents: (limit) => reader.unpublishedEvents(limit),
    blobsToRelease: (now, limit) => reader.blobsToRelease(now, limit),
    usage: () => reader.usage(),
  };
}

function writesOf(writer: Writer, upkeep: Upkeep, tidy: Tidy): Partial<WriteCalls> {
  return {
    execute: (command, operation) => writer.execute(command, operation),
    addLease: (lease, blob, deadline) => upkeep.addLease(lease, blob, deadline),
    expireLease: (operationId) => upkeep.expireLease(operationId),
    expireUploadLeases: () => upkeep.expireUploadLeases(),
    purge: (deletedBefore, limit) => upkeep.purge(deletedBefore, limit),
    forget: (now, limit) => upkeep.forget(now, limit),
    eventsPublished: (place) => upkeep.eventsPublished(place),
    forgetBlob: (sha256, now) => upkeep.forgetBlob(sha256, now),
    blobDeleted: (sha256) => upkeep.blobDeleted(sha256),
    tidy: () => tidy.step(),
  };
}
