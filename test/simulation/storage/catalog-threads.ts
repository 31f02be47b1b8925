import type { DatabaseSync } from 'node:sqlite';
import { ServiceError, toServiceError } from '../../../src/contract/errors.ts';
import { catalogFault } from '../../../src/storage-service/catalog/sqlite/connection.ts';
import { readCallsOf } from '../../../src/storage-service/catalog/sqlite/threads/read-calls.ts';
import { WriteConnection } from '../../../src/storage-service/catalog/sqlite/threads/write-connection.ts';
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
  readonly #options: Options;
  readonly #writes: WriteConnection;
  readonly #reads: ReturnType<typeof readCallsOf>;
  readonly #waiting: Asked[] = [];
  #writing = false;

  constructor(process: Process, db: DatabaseSync, options: Options) {
    this.#process = process;
    this.#options = options;
    this.#writes = new WriteConnection(db);
    this.#reads = readCallsOf(db);
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
    this.#writes.begin();
    const answers = group.map((asked) => this.#run(this.#writes.calls, asked));
    const tellAll = () => {
      for (const [index, asked] of group.entries()) asked.answer(answers[index]!);
    };
    if (this.#options.answersBeforeCommit) {
      tellAll();
      await Promise.race([this.#process.sleep(this.#delay() * 4), this.#process.death]);
    }
    const { world, name } = this.#process;
    if (this.#process.mayDie(`before the commit of ${what}`)) {
      this.#writes.undo();
      return;
    }
    if (!this.#options.answersBeforeCommit && world.goesWrong(world.profile.diskFaultOneIn)) {
      world.trace.say(name, `cannot commit ${what}`);
      this.#writes.undo();
      for (const asked of group) asked.answer({ error: storageUnavailable(new Error('EIO')) });
      return;
    }
    this.#writes.commit();
    world.trace.say(name, `commits ${what}`);
    if (group.some(({ call }) => !HARMLESS.has(call))) this.#options.committed();
    if (this.#process.mayDie(`after the commit of ${what}`)) return;
    if (!this.#options.answersBeforeCommit) tellAll();
  }

  #run(calls: object, { call, values }: Asked): Answered {
    try {
      const value = (calls as Calls)[call]!(...(values as never[]));
      return value instanceof ServiceError ? { error: value } : { value };
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
