import { addAbortSignal, PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { WRITE_DEADLINE_MS } from '../../contract/limits.ts';
import type { ContentClaim, Storage, WriteCall } from '../../contract/storage.ts';
import type { UploadGate } from '../../http/upload-gate.ts';
import { UPLOAD_MAX_MS } from '../../http/upload-watch.ts';
import { askAlone } from './call.ts';

/** Runs `receive` for the body of a request that the gate lets in. */
export async function admitUpload<T>(
  uploads: UploadGate,
  request: FastifyRequest,
  operationId: string,
  receive: (call: WriteCall) => Promise<T>,
): Promise<T> {
  const type = request.headers['content-type'] ?? '';
  if (request.isMultipart() && !/;\s*boundary=/i.test(type)) {
    throw noBoundary();
  }
  const deadline = Date.now() + UPLOAD_MAX_MS + WRITE_DEADLINE_MS;
  return uploads.admit(request.raw, request.ip, (signal) =>
    receive({ requestId: request.id, deadline, signal, operationId }),
  );
}

export function noBoundary(cause?: unknown): ServiceError {
  const message = 'The Content-Type has no boundary: let the HTTP library set this header itself.';
  return new ServiceError('invalid_request', message, { cause });
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
