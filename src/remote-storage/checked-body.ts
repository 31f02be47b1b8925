import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { ServiceError } from '../contract/errors.ts';

/** What a body must be: `sha256` of a whole content, null of a range; a size that is not known is NaN. */
export type Expected = { sha256: string | null; size: number };

/**
 * The bytes of an answer, whose last chunk is held back until all of them have come and have the
 * hash: what is given out whole is never damaged.
 */
export class CheckedBody extends Transform {
  readonly #expected: Expected;
  readonly #hash = createHash('sha256');
  #held: Buffer | undefined;
  #size = 0;

  constructor(response: IncomingMessage, expected: Expected) {
    super();
    this.#expected = expected;
    // Whoever reads is told; without a reader an error would end the process.
    this.on('error', () => {});
    response.on('error', (error) => this.destroy(broken(error)));
    this.on('close', () => response.destroy());
    response.pipe(this);
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#expected.sha256 !== null) this.#hash.update(chunk);
    if (this.#held) this.push(this.#held);
    this.#held = chunk;
    done();
  }

  override _flush(done: TransformCallback): void {
    const fault = this.#fault();
    if (fault) done(broken(new Error(fault)));
    else done(null, this.#held);
  }

  #fault(): string | undefined {
    const { sha256, size } = this.#expected;
    if (!Number.isNaN(size) && this.#size !== size) return `${this.#size} of ${size} bytes came.`;
    if (sha256 === null || this.#hash.digest('hex') === sha256) return undefined;
    return `The bytes that came do not have the hash ${sha256}.`;
  }
}

function broken(cause: Error): ServiceError {
  const message = 'The bytes of this image did not arrive whole from the storage; try again.';
  return new ServiceError('storage_unavailable', message, { cause });
}
