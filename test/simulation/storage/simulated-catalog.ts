import { ServiceError } from '../../../src/contract/errors.ts';
import type { Image, ImageFilter, ImagePage } from '../../../src/contract/image.ts';
import type { Json } from '../../../src/contract/json.ts';
import { READ_DEADLINE_MS, WRITE_DEADLINE_MS } from '../../../src/contract/limits.ts';
import type { Call } from '../../../src/contract/storage.ts';
import type {
  Blob,
  Catalog,
  Command,
  Lease,
  Operation,
  RecordedEvent,
  Usage,
  Written,
} from '../../../src/storage-service/catalog/catalog.ts';
import { tooSlow } from '../../../src/storage-service/catalog/sqlite/search/lister.ts';
import type {
  ReadCalls,
  WriteCalls,
} from '../../../src/storage-service/catalog/sqlite/threads/messages.ts';
import type { CatalogThreads } from './catalog-threads.ts';

/** What SqliteCatalog is, over threads that are simulated. */
export class SimulatedCatalog implements Catalog {
  readonly #threads: CatalogThreads;
  readonly #leased: Set<string>;

  /** Keeps in `leased` the operations that were told that they have a lease. */
  constructor(threads: CatalogThreads, leased: Set<string>) {
    this.#threads = threads;
    this.#leased = leased;
  }

  findImage(imageId: string, { deadline }: Call): Promise<Image | undefined> {
    return this.#read('findImage', [imageId], deadline);
  }

  listImages(filter: ImageFilter, { deadline }: Call): Promise<Json<ImagePage>> {
    return this.#read('list', [filter, deadline], deadline);
  }

  findBlob(sha256: string): Promise<Blob | undefined> {
    return this.#read('findBlob', [sha256]);
  }

  async addLease(lease: Lease, blob: Blob, deadline: number): Promise<boolean> {
    this.#leased.delete(lease.operation_id);
    const held = await this.#write<boolean>('addLease', [lease, blob, deadline], deadline);
    this.#leased.add(lease.operation_id);
    return held;
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

  usage(): Promise<Usage> {
    return this.#read('usage', []);
  }

  async close(): Promise<void> {}

  listThemes(): never {
    throw unasked();
  }

  blobsAfter(): never {
    throw unasked();
  }

  imagesOfBlob(): never {
    throw unasked();
  }

  check(): never {
    throw unasked();
  }

  rebuild(): never {
    throw unasked();
  }

  ping(): never {
    throw unasked();
  }

  #read<T>(
    call: keyof ReadCalls,
    values: unknown[],
    deadline = Date.now() + READ_DEADLINE_MS,
  ): Promise<T> {
    return this.#threads.read(call, values, deadline, tooSlow) as Promise<T>;
  }

  #write<T>(
    call: keyof WriteCalls,
    values: unknown[],
    deadline = Date.now() + WRITE_DEADLINE_MS,
  ): Promise<T> {
    return this.#threads.write(call, values, deadline, outcomeUnknown) as Promise<T>;
  }
}

function outcomeUnknown(): ServiceError {
  return new ServiceError('outcome_unknown', 'The deadline passed while the change was made.');
}

function unasked(): Error {
  return new Error('Nobody asks this in the simulation.');
}
