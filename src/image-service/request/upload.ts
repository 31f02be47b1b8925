import { addAbortSignal, PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { WRITE_DEADLINE_MS } from '../../contract/limits.ts';
import type { ContentClaim, Storage, WriteCall } from '../../contract/storage.ts';
import { BODY_MAX_BYTES, tooLarge, UPLOAD_MAX_MS, watchUpload } from '../../http/upload-watch.ts';
import { askAlone } from './call.ts';

/** Lets a bounded number of uploads in at the same time. */
export class UploadGate {
  readonly #max: number;
  #inside = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many are in now. */
  get inside(): number {
    return this.#inside;
  }

  /** Runs `receive` while the body arrives; ends with it, or when the watch gives the body up. */
  async admit<T>(
    request: FastifyRequest,
    operationId: string,
    receive: (call: WriteCall) => Promise<T>,
  ): Promise<T> {
    if (Number(request.headers['content-length']) > BODY_MAX_BYTES) throw tooLarge();
    const type = request.headers['content-type'] ?? '';
    if (request.isMultipart() && !/;\s*boundary=/i.test(type)) {
      const message = 'The Content-Type of a multipart/form-data body must name its boundary.';
      throw new ServiceError('invalid_request', message);
    }
    if (this.#inside >= this.#max) {
      throw new ServiceError('overloaded', 'Too many uploads are under way. Try again soon.');
    }
    const ending = new AbortController();
    const given = Promise.withResolvers<never>();
    const unwatch = watchUpload(request.raw, (reason) => {
      ending.abort(reason);
      given.reject(reason);
    });
    const call: WriteCall = {
      requestId: request.id,
      deadline: Date.now() + UPLOAD_MAX_MS + WRITE_DEADLINE_MS,
      signal: ending.signal,
      operationId,
    };
    this.#inside += 1;
    try {
      return await Promise.race([receive(call), given.promise]);
    } finally {
      this.#inside -= 1;
      unwatch();
    }
  }
}

/** The bytes of a body that is nothing but the file. */
export async function acceptRaw(
  storage: Storage,
  request: FastifyRequest,
  call: WriteCall,
): Promise<ContentClaim> {
  // Not the request itself: a refusal half-way must leave the connection open for the answer.
  const bytes = addAbortSignal(call.signal, request.raw.pipe(new PassThrough()));
  return (await storage.acceptContent(bytes, { filename: null }, call)).claim;
}

/** Drops bytes that no image will have. Failing is harmless: storage drops them by itself later. */
export async function discard(storage: Storage, request: FastifyRequest, operationId: string) {
  try {
    await askAlone(request.id, (call) => storage.discardContent({ ...call, operationId }));
  } catch (err) {
    request.log.warn({ err }, 'the bytes of a refused upload could not be dropped');
  }
}
