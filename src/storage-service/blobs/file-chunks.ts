import { constants, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ByteRange } from '../../contract/storage.ts';
import { diskFault } from '../disk-fault.ts';

/** Large enough that a 5 MB image takes a handful of reads, small enough for many readers. */
export const READ_CHUNK_BYTES = 256 * 1024;

/** The opening of a FIFO, which somebody put in the place of a file, waits for no writer. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export type Checks = {
  /** Told of each chunk, in order, before the reader gets it. */
  chunk?(bytes: Uint8Array): void;
  /** Throws when the last chunk must not be given out. */
  last?(): void;
  /** The error of a file that ends before it should. */
  cut(): Error;
};

/** The bytes of a range of an open file, which is closed with the stream, however that ends. */
export class FileChunks extends Readable {
  readonly #file: FileHandle;
  readonly #checks: Checks;
  readonly #last: number;
  #at: number;

  constructor(file: FileHandle, { first, last }: ByteRange, checks: Checks) {
    super({ highWaterMark: READ_CHUNK_BYTES });
    this.#file = file;
    this.#checks = checks;
    this.#at = first;
    this.#last = last;
  }

  override _read(): void {
    this.#next().then(
      (chunk) => this.push(chunk),
      (error) => this.destroy(diskFault(error) as Error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.close().then(
      () => done(error),
      (closing) => done(error ?? (diskFault(closing) as Error)),
    );
  }

  async #next(): Promise<Buffer | null> {
    const left = this.#last + 1 - this.#at;
    if (left <= 0) return null;
    const buffer = Buffer.allocUnsafeSlow(Math.min(left, READ_CHUNK_BYTES));
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#at);
    if (bytesRead === 0) throw this.#checks.cut();
    const chunk = buffer.subarray(0, bytesRead);
    this.#at += bytesRead;
    this.#checks.chunk?.(chunk);
    if (this.#at > this.#last) this.#checks.last?.();
    return chunk;
  }
}
