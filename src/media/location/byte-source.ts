import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const WINDOW_BYTES = 64 * 1024;

/**
 * The file does not keep the rules of its container, so nothing can be proven about it. The message
 * goes on from "The image is damaged:" and is shown to the sender.
 */
export class MalformedError extends Error {
  override readonly name: string = 'MalformedError';
}

/** The file ends too early. The message goes on from "The image is cut short:". */
export class CutShortError extends MalformedError {
  override readonly name = 'CutShortError';
}

/** A variant of a format that browsers do not show. The message is the whole text. */
export class UnsupportedVariantError extends Error {
  override readonly name = 'UnsupportedVariantError';
}

/**
 * A file read in bounded pieces. Reads are synchronous: they run in the decoder process, where a
 * page-cache hit costs less than a turn of libuv's pool, which the decodes keep busy.
 */
export class ByteSource {
  readonly size: number;
  readonly #descriptor: number;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;
  /** Someone may keep a part of the window. */
  #lent = false;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  /** The bytes may be kept: no later read changes them. Throws CutShortError past the end. */
  read(offset: number, length: number): Buffer {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new CutShortError(
        `it has ${this.size} bytes, and at least ${offset + length} are needed`,
      );
    }
    const from = offset - this.#start;
    const held = from >= 0 && from + length <= this.#window.length;
    if (!held) this.#load(offset, Math.max(length, WINDOW_BYTES));
    this.#lent = true;
    return this.#window.subarray(offset - this.#start).subarray(0, length);
  }

  byte(offset: number): number {
    const value = this.#window[offset - this.#start];
    return value === undefined ? this.read(offset, 1).readUInt8() : value;
  }

  /** The first place of a byte, or of several, from `offset` on; -1 when there is none. */
  indexOf(pattern: Uint8Array | number, offset: number): number {
    const length = typeof pattern === 'number' ? 1 : pattern.length;
    for (let at = offset; at + length <= this.size; ) {
      if (at < this.#start || at + length > this.#start + this.#window.length) {
        this.#load(at, WINDOW_BYTES);
      }
      const found = this.#window.indexOf(pattern, at - this.#start);
      if (found >= 0) return this.#start + found;
      at = this.#start + this.#window.length - length + 1;
    }
    return -1;
  }

  #load(offset: number, length: number): void {
    const wanted = Math.max(0, Math.min(length, this.size - offset));
    const reused = !this.#lent && wanted <= this.#window.length;
    const bytes = reused ? this.#window.subarray(0, wanted) : Buffer.allocUnsafeSlow(wanted);
    this.#lent = false;
    let filled = 0;
    while (filled < wanted) {
      const got = readSync(this.#descriptor, bytes, filled, wanted - filled, offset + filled);
      if (got === 0) throw new MalformedError('the file shrank while it was read');
      filled += got;
    }
    this.#window = bytes;
    this.#start = offset;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
