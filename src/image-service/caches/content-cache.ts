import { LRUCache } from 'lru-cache';
import { ServiceError } from '../../contract/errors.ts';
import type { Storage } from '../../contract/storage.ts';
import { askAlone } from '../request/call.ts';

/** Larger files are streamed: they are few, and one would drive out a hundred others. */
const FILE_MAX_BYTES = 8 * 1024 * 1024;

/** Bytes in memory, and how many answers are sending them. */
class Held {
  readonly bytes: Buffer;
  readers = 0;
  evicted = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** Bytes lent to one answer, until it is released. */
export type Lease = { readonly bytes: Buffer; release(): void };

/**
 * The most asked-for files as whole buffers, by their SHA-256, so they never go stale.
 *
 * Memory is bounded twice: the files kept, and those that are not kept (any more) but are being
 * read or sent to slow readers. Each has the size of the cache; beyond it answers are streamed.
 */
export class ContentCache {
  readonly #storage: Storage;
  readonly #sizeBytes: number;
  readonly #files: LRUCache<string, Held> | undefined;
  readonly #reading = new Map<string, Promise<Held>>();
  #outsideBytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(storage: Storage, sizeBytes: number) {
    this.#storage = storage;
    this.#sizeBytes = sizeBytes;
    if (sizeBytes === 0) return;
    this.#files = new LRUCache({
      maxSize: sizeBytes,
      sizeCalculation: (held) => held.bytes.length || 1,
      dispose: (held) => {
        held.evicted = true;
        if (held.readers > 0) this.#outsideBytes += held.bytes.length;
      },
    });
  }

  /** For metrics. Bytes are those kept, and those outside that are read or sent. */
  get load(): { hits: number; misses: number; bytes: number } {
    const bytes = (this.#files?.calculatedSize ?? 0) + this.#outsideBytes;
    return { hits: this.#hits, misses: this.#misses, bytes };
  }

  /** What is kept, at once. */
  kept(sha256: string): Lease | undefined {
    const held = this.#files?.get(sha256);
    if (!held) return undefined;
    this.#hits += 1;
    return this.#lend(held);
  }

  /** The file, read now and kept; undefined when it is to be streamed. */
  async read(sha256: string, size: number, requestId: string): Promise<Lease | undefined> {
    this.#misses += 1;
    let reading = this.#reading.get(sha256);
    if (!reading) {
      const room = this.#sizeBytes - this.#outsideBytes;
      if (size > FILE_MAX_BYTES || size > room) return undefined;
      reading = this.#fill(sha256, size, requestId);
      this.#reading.set(sha256, reading);
    }
    return this.#lend(await reading);
  }

  async #fill(sha256: string, size: number, requestId: string): Promise<Held> {
    this.#outsideBytes += size;
    try {
      const bytes = await askAlone(requestId, async (call) => {
        const content = await this.#storage.getContent(sha256, null, call);
        const buffer = Buffer.allocUnsafeSlow(size);
        let filled = 0;
        for await (const chunk of content.bytes) {
          call.signal.throwIfAborted();
          if (filled + chunk.length > size) throw otherSize(sha256, size);
          buffer.set(chunk, filled);
          filled += chunk.length;
        }
        if (filled !== size) throw otherSize(sha256, size);
        return buffer;
      });
      const held = new Held(bytes);
      this.#files?.set(sha256, held);
      return held;
    } finally {
      this.#outsideBytes -= size;
      this.#reading.delete(sha256);
    }
  }

  #lend(held: Held): Lease {
    if (held.evicted && held.readers === 0) this.#outsideBytes += held.bytes.length;
    held.readers += 1;
    return {
      bytes: held.bytes,
      release: () => {
        held.readers -= 1;
        if (held.evicted && held.readers === 0) this.#outsideBytes -= held.bytes.length;
      },
    };
  }
}

/** The metadata of an image and its bytes disagree. */
export function otherSize(sha256: string, size: number): ServiceError {
  const message =
    'The stored bytes of this image are damaged. Sending the same file again repairs them.';
  const cause = new Error(`The bytes of ${sha256} are not the ${size} that its image has.`);
  return new ServiceError('content_damaged', message, { cause });
}
