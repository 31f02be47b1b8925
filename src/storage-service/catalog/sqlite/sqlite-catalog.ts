import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError, toServiceError } from '../../../contract/errors.ts';
import type { Image, ImageFilter, ImagePage } from '../../../contract/image.ts';
import type { Json } from '../../../contract/json.ts';
import {
  QUERY_DEADLINE_MS,
  READ_DEADLINE_MS,
  WRITE_DEADLINE_MS,
} from '../../../contract/limits.ts';
import type { Call } from '../../../contract/storage.ts';
import type { Theme } from '../../../contract/theme.ts';
import { storageUnavailable } from '../../disk-fault.ts';
import type {
  Blob,
  Catalog,
  Command,
  Lease,
  Operation,
  RecordedEvent,
  Usage,
  Written,
} from '../catalog.ts';
import { connect } from './connection.ts';
import { Damage, type DamageLog } from './damage.ts';
import { requireCurrentSchema } from './schema.ts';
import { tooSlow } from './search/lister.ts';
import { CatalogThread } from './threads/catalog-thread.ts';
import { type Notice, REPAIR, type ReadCalls, type WriteCalls } from './threads/messages.ts';

/** Work on the whole catalog: minutes for millions of images. */
const WHOLE_DEADLINE_MS = 60 * 60 * 1000;
/** Part of the time of a ping after which a write counts as failed. */
const PING_WRITE_SHARE = 0.75;
/** Often enough to see that it goes on. */
const REINDEXING_LOGGED_EVERY_MS = 10_000;
const REINDEXING_RETRY_MS = 60_000;

/**
 * The catalog in one SQLite file: a thread that writes, one that reads beside it, and a second of
 * those from the first time that a read would have to wait: a slow search then holds up no others.
 */
export class SqliteCatalog implements Catalog {
  readonly #path: string;
  /** Undefined: for reading alone. */
  readonly #writer: CatalogThread | undefined;
  readonly #readers: CatalogThread[] = [];
  readonly #log: DamageLog | undefined;
  readonly #closing = new AbortController();
  readonly #damage: Damage;
  readonly #reindexing: Promise<void>;
  #starting: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  private constructor(path: string, writer?: CatalogThread, log?: DamageLog) {
    this.#path = path;
    this.#writer = writer;
    this.#log = log;
    this.#damage = new Damage(log);
    this.#reindexing = writer ? this.#reindex() : Promise.resolve();
    // Not awaited: a service can answer that it works before anybody asks for a list.
    this.#starting = this.#addReader();
  }

  /** Makes or migrates the file. Throws when its schema is newer than this release. */
  static async open(path: string, log?: DamageLog): Promise<SqliteCatalog> {
    const tell = ({ clockBehindMs }: Notice) => {
      const message =
        'The clock is behind the newest image: it was ahead, or was set back. New times follow the clock; the order of creation is kept';
      log?.warn({ behind_seconds: Math.round(clockBehindMs / 1000) }, message);
    };
    const writer = await CatalogThread.start({ path, access: 'write' }, tell);
    return new SqliteCatalog(path, writer, log);
  }

  /** Checks the file for a bounded time, beside all calls. Never fails. */
  lookForDamage(options?: Parameters<Damage['look']>[2]): Promise<void> {
    return this.#damage.look(this.#path, this.#closing.signal, options);
  }

  get damaged(): boolean {
    return this.#damage.fault !== undefined;
  }

  /** Throws unless the file has the schema of this release. */
  static requireCurrent(path: string): void {
    using db = connect(path, 'read');
    requireCurrentSchema(db);
  }

  /** Changes nothing in the file, whoever else uses it; writes are refused. */
  static openToRead(path: string): SqliteCatalog {
    return new SqliteCatalog(path);
  }

  findImage(imageId: string, { deadline }: Call): Promise<Image | undefined> {
    return this.#read('findImage', [imageId], deadline);
  }

  async listImages(filter: ImageFilter, call: Call): Promise<Json<ImagePage>> {
    const deadline = Math.min(call.deadline, Date.now() + QUERY_DEADLINE_MS);
    return this.#read('list', [filter, deadline], deadline);
  }

  listThemes({ deadline }: Call): Promise<Theme[]> {
    return this.#read('listThemes', [], deadline);
  }

  findBlob(sha256: string): Promise<Blob | undefined> {
    return this.#read('findBlob', [sha256]);
  }

  addLease(lease: Lease, blob: Blob, deadline: number): Promise<boolean> {
    return this.#write('addLease', [lease, blob, deadline], deadline);
  }

  expireLease(operationId: string): Promise<string[]> {
    return this.#write('expireLease', [operationId]);
  }

  expireUploadLeases(): Promise<void> {
    return this.#write('expireUploadLeases', []);
  }

  write(command: Command, operation: Operation): Promise<Written> {
    return this.#write('execute', [command, operation], operation.deadline);
  }

  purge(deletedBefore: number, limit: number): Promise<number> {
    return this.#write('purge', [deletedBefore, limit]);
  }

  unpublishedEvents(limit: number): Promise<RecordedEvent[]> {
    // That they are published could not be recorded, and they would be published for ever.
    if (this.damaged) return Promise.resolve([]);
    return this.#read('unpublishedEvents', [limit]);
  }

  eventsPublished(place: number): Promise<void> {
    return this.#write('eventsPublished', [place]);
  }

  forget(now: number, limit: number): Promise<number> {
    return this.#write('forget', [now, limit]);
  }

  blobsToRelease(now: number, limit: number): Promise<string[]> {
    return this.#read('blobsToRelease', [now, limit]);
  }

  forgetBlob(sha256: string, now: number): Promise<boolean> {
    return this.#write('forgetBlob', [sha256, now]);
  }

  blobDeleted(sha256: string): Promise<void> {
    return this.#write('blobDeleted', [sha256]);
  }

  tidy(): Promise<boolean> {
    return this.#write('tidy', []);
  }

  imagesOfBlob(sha256: string, limit: number): Promise<string[]> {
    return this.#read('imagesOfBlob', [sha256, limit]);
  }

  check(): Promise<string[]> {
    return this.#read('check', [], Date.now() + WHOLE_DEADLINE_MS);
  }

  rebuild(): Promise<void> {
    return this.#write('rebuild', [], Date.now() + WHOLE_DEADLINE_MS);
  }

  blobsAfter(sha256: string, limit: number): Promise<Blob[]> {
    return this.#read('blobsAfter', [sha256, limit]);
  }

  async ping({ deadline }: Call): Promise<ServiceError | undefined> {
    const now = Date.now();
    // A write that hangs must leave time to say that reads work.
    const writeDeadline = now + (deadline - now) * PING_WRITE_SHARE;
    const [failed] = await Promise.all([
      this.#write('touch', [now], writeDeadline).then(() => undefined, writeFault),
      this.#read('findBlob', [''], deadline),
    ]);
    return failed;
  }

  usage(): Promise<Usage> {
    return this.#read('usage', []);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#reindexing;
    await this.#starting;
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    await this.#writer?.stop();
  }

  async #read<T>(
    call: keyof ReadCalls,
    values: unknown[],
    deadline = Date.now() + READ_DEADLINE_MS,
  ): Promise<T> {
    const reader = await this.#idlestReader();
    return this.#damage.watch(reader.ask(call, values, deadline, tooSlow));
  }

  async #idlestReader(): Promise<CatalogThread> {
    const [first, second] = this.#readers;
    const idlest = second && second.waiting < first!.waiting ? second : first;
    if (!second && (!first || first.waiting > 0)) this.#starting ??= this.#addReader();
    if (idlest) return idlest;
    await this.#starting;
    const [started] = this.#readers;
    if (!started) throw storageUnavailable(new Error('No reading thread could be started.'));
    return started;
  }

  /** Brings the search rows of an earlier release up to date. A failure is retried after a while. */
  async #reindex(): Promise<void> {
    const { signal } = this.#closing;
    let logged = 0;
    while (!signal.aborted) {
      try {
        const left = await this.#write<number>('reindex', []);
        if (left === 0 && logged > 0) this.#log?.info({}, 'The search index is up to date');
        if (left === 0) return;
        if (Date.now() - logged < REINDEXING_LOGGED_EVERY_MS) continue;
        logged = Date.now();
        const message =
          'Updating the search index of an earlier release; some searches beyond ASCII find less until it ends';
        this.#log?.info({ images_left: left }, message);
      } catch (error) {
        if (signal.aborted || this.damaged) return;
        this.#log?.warn({ err: error }, 'The search index could not be updated; trying again');
        await sleep(REINDEXING_RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** When that fails, those there are serve on, and a later call tries again. */
  async #addReader(): Promise<void> {
    try {
      this.#readers.push(await CatalogThread.start({ path: this.#path, access: 'read' }));
    } catch {
      // Whoever needs it is told by the thread's absence.
    } finally {
      this.#starting = undefined;
    }
  }

  async #write<T>(
    call: keyof WriteCalls,
    values: unknown[],
    deadline = Date.now() + WRITE_DEADLINE_MS,
  ): Promise<T> {
    if (!this.#writer) throw storageUnavailable(new Error('The catalog was opened to read.'));
    if (this.#damage.fault && call !== REPAIR) throw this.#damage.fault;
    return this.#damage.watch(this.#writer.ask(call, values, deadline, outcomeUnknown));
  }
}

/** A ping has no outcome that could be repeated. */
function writeFault(thrown: unknown): ServiceError {
  const error = toServiceError(thrown);
  return error.code === 'outcome_unknown' ? storageUnavailable(error) : error;
}

function outcomeUnknown(): ServiceError {
  const message =
    'The deadline passed while the change was being made; repeat it with the same Idempotency-Key to learn its outcome.';
  return new ServiceError('outcome_unknown', message);
}
