import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { ERROR_CODES, type ErrorCode, ServiceError } from '../contract/errors.ts';
import { HealthError } from '../contract/health.ts';
import { isSha256 } from '../contract/image.ts';
import { CONTENT_MAX_BYTES } from '../contract/limits.ts';
import type { ByteRange, Call, Content, WriteCall } from '../contract/storage.ts';
import { traceparent } from '../telemetry/trace.ts';
import { CheckedBody } from './checked-body.ts';

/** Answers that are no content: an acknowledgement or an error. */
const ANSWER_MAX_BYTES = 64 * 1024;
/** Of one service to the storage, for all but uploads; further ones wait. */
const CONNECTIONS_MAX = 512;
const IDLE_MAX_MS = 4_000;

export type Put = {
  sha256: string;
  size_bytes: number;
  media_type: string;
  width: number;
  height: number;
  repeated: boolean;
};

/** `body` is undefined when it is no JSON. */
export type Probe = { status: number; body: unknown };

type Sending = { method: string; path: string; headers?: Record<string, string>; call: Call };

/** The content endpoint of the Storage Service, asked: docs/message-hub.md, Content. */
export class ContentClient {
  readonly #base: URL;
  readonly #token: string | null;
  readonly #agent: http.Agent;
  /** As many connections as uploads were let in: slow ones must not keep reads waiting. */
  readonly #uploads: http.Agent;

  /** `base` may have a path, which is kept. */
  constructor(base: string, token: string | null) {
    this.#base = new URL(base.endsWith('/') ? base : `${base}/`);
    this.#token = token;
    const { Agent } = this.#base.protocol === 'https:' ? https : http;
    // The server closes idle connections after longer: a request never meets one that it just closed.
    const idle = { keepAlive: true, timeout: IDLE_MAX_MS };
    this.#agent = new Agent({ ...idle, maxSockets: CONNECTIONS_MAX });
    this.#uploads = new Agent(idle);
  }

  /** Throws what `Storage.acceptContent` does. */
  async put(
    bytes: AsyncIterable<Uint8Array>,
    sha256: string | undefined,
    call: WriteCall,
  ): Promise<Put> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' };
    if (sha256 !== undefined) {
      const digest = Buffer.from(sha256, 'hex').toString('base64');
      headers['content-digest'] = `sha-256=:${digest}:`;
    }
    const path = `content/uploads/${call.operationId}`;
    const response = await this.#send({ method: 'PUT', path, headers, call }, bytes);
    const answer = await jsonOf(response);
    if (response.statusCode !== 200 && response.statusCode !== 201) throw refusal(answer);
    return { ...(answer as Omit<Put, 'repeated'>), repeated: response.statusCode === 200 };
  }

  async discard(call: WriteCall): Promise<void> {
    const path = `content/uploads/${call.operationId}`;
    const response = await this.#send({ method: 'DELETE', path, call });
    if (response.statusCode !== 204) throw refusal(await jsonOf(response));
    response.resume();
  }

  /** Throws what `Storage.getContent` does. */
  async get(sha256: string, range: ByteRange | null, call: Call): Promise<Content> {
    if (!isSha256(sha256)) {
      throw new ServiceError('not_found', 'There is no content with this hash.');
    }
    const headers: Record<string, string> = range
      ? { range: `bytes=${range.first}-${range.last}` }
      : {};
    const path = `content/${sha256}`;
    const response = await this.#send({ method: 'GET', path, headers, call });
    if (response.statusCode !== 200 && response.statusCode !== 206) {
      throw refusal(await jsonOf(response));
    }
    const expected = expectedOf(response, range);
    if (!expected) {
      response.destroy();
      throw away(
        new Error(`Asked for ${headers.range ?? 'all'}, the storage service sent another part.`),
      );
    }
    return {
      sha256,
      media_type: response.headers['content-type'] ?? 'application/octet-stream',
      size_bytes: expected.whole,
      bytes: new CheckedBody(response, { sha256: range ? null : sha256, size: expected.size }),
    };
  }

  /** What is answered there, whatever it is. Throws a HealthError where nothing is. */
  async probe(path: string, call: Call): Promise<Probe> {
    try {
      const response = await this.#send({ method: 'GET', path, call });
      const body = await jsonOf(response).catch(() => undefined);
      return { status: response.statusCode ?? 0, body };
    } catch (error) {
      throw contentFault(error);
    }
  }

  close(): void {
    this.#agent.destroy();
    this.#uploads.destroy();
  }

  #send(
    { method, path, headers, call }: Sending,
    body?: AsyncIterable<Uint8Array>,
  ): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const parent = traceparent();
    const request = (this.#base.protocol === 'https:' ? https : http).request({
      agent: body ? this.#uploads : this.#agent,
      method,
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      path: this.#base.pathname + path,
      headers: {
        ...headers,
        'x-request-id': call.requestId,
        ...(parent && { traceparent: parent }),
        ...(this.#token && { authorization: `Bearer ${this.#token}` }),
      },
      signal: AbortSignal.any([
        call.signal,
        AbortSignal.timeout(Math.max(0, call.deadline - Date.now())),
      ]),
    });
    let failed: unknown;
    request.on('response', resolve);
    request.on('error', (error) => {
      if (call.signal.aborted) reject(call.signal.reason);
      else if (failed !== undefined) reject(failed);
      else if (Date.now() >= call.deadline) reject(late(error));
      else reject(away(error));
    });
    if (!body) {
      request.end();
      return promise;
    }
    const source = Readable.from(limited(body), { objectMode: false });
    // The sender's fault is told as it is; a fault of the connection shows at the request.
    source.on('error', (error) => {
      failed = error;
      request.destroy();
    });
    // An answer before the end of the body is a refusal: nothing more is sent, and the connection,
    // on which the other side would wait for the rest, goes with the answer.
    request.on('response', (response) => {
      source.destroy();
      if (!request.writableEnded) response.once('end', () => request.destroy());
    });
    request.on('close', () => source.destroy());
    source.pipe(request);
    return promise;
  }
}

/** Cut here, and not only where it arrives: buffers on the way hold megabytes. */
async function* limited(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > CONTENT_MAX_BYTES) {
      const message = `The content must be up to ${CONTENT_MAX_BYTES} bytes.`;
      throw new ServiceError('content_too_large', message);
    }
    yield chunk;
  }
}

/** Bytes of the body and of the whole content; undefined when it is not the part that was asked for. */
function expectedOf({ statusCode, headers }: http.IncomingMessage, range: ByteRange | null) {
  const size = Number(headers['content-length'] ?? Number.NaN);
  if (!range) return statusCode === 200 ? { size, whole: size } : undefined;
  const [, first, last, whole] =
    /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  const same = statusCode === 206 && Number(first) === range.first && Number(last) <= range.last;
  return same ? { size: Number(last) - Number(first) + 1, whole: Number(whole) } : undefined;
}

async function jsonOf(response: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > ANSWER_MAX_BYTES) throw new Error('The answer is too large.');
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw away(error);
  }
}

/** The error that a problem document tells; anything else is a storage that does not work. */
function refusal(problem: unknown): ServiceError {
  const { code, detail, errors } = (problem ?? {}) as Record<string, unknown>;
  if (!ERROR_CODES.includes(code as ErrorCode) || typeof detail !== 'string') {
    return away(new Error(`The storage service answered ${JSON.stringify(problem)}.`));
  }
  const known = code as ErrorCode;
  // A token that is wrong is nothing that a client could mend.
  if (known === 'request_forbidden') return away(new Error(detail));
  return ServiceError.fromData({
    code: known,
    message: detail,
    ...(Array.isArray(errors) && { errors }),
  });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ERR_TLS_/;

/** Why nothing was answered. */
function contentFault(error: unknown): HealthError {
  if (error instanceof HealthError) return error;
  if (error instanceof ServiceError && error.code === 'deadline_exceeded') {
    return new HealthError('timeout', error.message, error);
  }
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  const code = cause?.code ?? '';
  if (CERTIFICATE.test(code)) {
    const message = 'The TLS certificate of the Storage Service was not accepted.';
    return new HealthError('certificate_refused', message, error);
  }
  if (/^(HPE_|EPROTO|ERR_SSL_)/.test(code)) {
    const message =
      'What answers at the address in STORAGE_SERVICE_URL does not speak its protocol.';
    return new HealthError('wrong_service', message, error);
  }
  const message = 'Nothing answers at the address in STORAGE_SERVICE_URL.';
  return new HealthError('unreachable', message, error);
}

function away(cause: unknown): ServiceError {
  const message = 'The storage service is away; try again shortly.';
  return new ServiceError('storage_unavailable', message, { cause });
}

function late(cause: unknown): ServiceError {
  const message = 'The storage did not answer in time. Try again.';
  return new ServiceError('deadline_exceeded', message, { cause });
}
