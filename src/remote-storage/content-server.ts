import { hash, randomUUID, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { ServiceError } from '../contract/errors.ts';
import { CONTENT_MAX_BYTES, READ_DEADLINE_MS, WRITE_DEADLINE_MS } from '../contract/limits.ts';
import { isOperationId } from '../contract/messages.ts';
import type { Storage } from '../contract/storage.ts';
import { closeInTime } from '../http/close-in-time.ts';
import { boundConnections } from '../http/connections.ts';
import { continueWhenRead } from '../http/continue-when-read.ts';
import { drain } from '../http/drain.ts';
import {
  answerSocketError,
  asServiceError,
  dropContentHeaders,
  PROBLEM_TYPE,
  problemOf,
} from '../http/problem.ts';
import { lengthOf, parseRanges } from '../http/ranges.ts';
import { SlowReaders } from '../http/slow-readers.ts';
import { statusOf } from '../http/status.ts';
import { traceRequests } from '../http/traced-requests.ts';
import { UploadGate } from '../http/upload-gate.ts';
import { UPLOAD_MAX_MS } from '../http/upload-watch.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { tracesAreExported } from '../telemetry/trace.ts';
import { NO_CONTENT } from './no-content.ts';
import { release } from './release.ts';

/** An upload at its slowest, and the time to inspect and keep it. */
const ACCEPT_MAX_MS = UPLOAD_MAX_MS + WRITE_DEADLINE_MS;
/** Longer than ContentClient keeps an idle connection. */
const KEEP_ALIVE_MS = 10_000;
/** Of five Image Services, each with as many uploads and reads as it may have. */
const CONNECTIONS_MAX = 4_096;
/** Image Services bound their own; these keep other clients, or many of them, from taking everything. */
const UPLOADS_MAX = { flowing: 256, slow: 2_048 };
/** Of two Image Services at their bounds. */
const SLOW_READERS_MAX = 512;
/** Asked for every few seconds by whoever watches. */
const NOT_LOGGED: ReadonlySet<string> = new Set([
  '/health',
  '/health/live',
  '/health/ready',
  '/metrics',
  `/content/${NO_CONTENT}`,
]);
const REQUEST_ID = /^[\w.-]{1,64}$/;
/** RFC 9530: of the digests that it may carry, this is the one that is looked at. */
const DIGEST = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)/;

type Health = { healthy: boolean; body: object };

type Dependencies = {
  storage: Storage;
  /** Who sends this as a bearer token may ask; null: whoever reaches the endpoint. */
  token: string | null;
  /** The body of `/health`, and whether it is good. */
  health: () => Promise<Health>;
  /** The same of `/health/ready`: whether the state can be read. */
  readiness?: () => Promise<Health>;
  log: FastifyBaseLogger;
  metrics: Metrics;
};

/** The content endpoint of docs/message-hub.md: bytes too large for a message, and the health. */
export function buildContentServer(deps: Dependencies): FastifyInstance {
  const { storage, token, health, readiness = health, log, metrics } = deps;
  const refuse = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
    // The probe of an Image Service is no fault of anybody.
    const probe = request.url === `/content/${NO_CONTENT}`;
    const { code } = asServiceError(thrown);
    if (!probe || code !== 'not_found') metrics.error(code);
    sendProblem(thrown, request, reply);
  };
  const server = Fastify({
    loggerInstance: log,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    genReqId: ({ headers }) => {
      const id = headers['x-request-id'];
      return typeof id === 'string' && REQUEST_ID.test(id) ? id : randomUUID();
    },
    requestTimeout: ACCEPT_MAX_MS + WRITE_DEADLINE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    frameworkErrors: refuse,
    clientErrorHandler: answerSocketError,
  });
  if (tracesAreExported()) traceRequests(server);
  closeInTime(server);
  continueWhenRead(server.server);
  boundConnections(server.server, CONNECTIONS_MAX);
  server.removeAllContentTypeParsers();
  // The route streams the body on.
  server.addContentTypeParser('*', (_request, _body, done) => done(null));
  server.setErrorHandler(refuse);
  server.setNotFoundHandler(() => {
    throw new ServiceError('not_found', 'Nothing has this address; docs/message-hub.md lists all.');
  });
  server.addHook('onRequest', (request, reply, next) => {
    reply.header('x-request-id', request.id);
    next();
  });
  server.addHook('onResponse', (request, reply, next) => {
    const { method, url, refusal: code } = request;
    const duration_ms = Math.round(reply.elapsedTime * 100) / 100;
    const level = NOT_LOGGED.has(url) ? 'debug' : 'info';
    const facts = { method, url, status: reply.statusCode, code, duration_ms };
    request.log[level](facts, 'content request');
    metrics.request(request.routeOptions.url, method, reply.statusCode, duration_ms / 1000);
    next();
  });

  for (const [path, look] of [
    ['/health', health],
    ['/health/ready', readiness],
  ] as const) {
    server.get(path, async (_request, reply) => {
      const { healthy, body } = await look();
      return reply
        .code(healthy ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(body);
    });
  }
  server.get('/health/live', async (_request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .send({ status: 'healthy', service: 'storage_service' }),
  );
  server.get('/metrics', async (_request, reply) => {
    reply.header('cache-control', 'no-store').type(metrics.contentType);
    return metrics.text();
  });
  server.register(async (scope) => {
    scope.addHook('onRequest', async (request) => requireToken(request, token));
    uploads(scope, storage);
    contents(scope, storage);
  });
  return server;
}

/** Bytes on their way in, under the id of the operation that will claim them. */
function uploads(scope: FastifyInstance, storage: Storage): void {
  const gate = new UploadGate(UPLOADS_MAX);
  const path = '/content/uploads/:operation_id';
  scope.put(path, async (request, reply) => {
    const sha256 = announced(request);
    if (Number(request.headers['content-length']) > CONTENT_MAX_BYTES) {
      const message = `The content must be up to ${CONTENT_MAX_BYTES} bytes.`;
      throw new ServiceError('content_too_large', message);
    }
    const operationId = operationIdOf(request);
    const sent = { filename: null, ...(sha256 !== undefined && { sha256 }) };
    // Not by its own iterator, which would cut the connection before a refusal is read.
    const bytes = request.raw.iterator({ destroyOnReturn: false });
    const accepted = await gate.admit(request.raw, request.ip, (signal) =>
      storage.acceptContent(bytes, sent, {
        ...callOf(request, ACCEPT_MAX_MS, signal),
        operationId,
      }),
    );
    const { claim, width, height, repeated } = accepted;
    const { size_bytes, media_type } = claim;
    return reply
      .code(repeated ? 200 : 201)
      .send({ sha256: claim.sha256, size_bytes, media_type, width, height });
  });
  scope.delete(path, async (request, reply) => {
    const operationId = operationIdOf(request);
    await storage.discardContent({ ...callOf(request, READ_DEADLINE_MS), operationId });
    return reply.code(204).send();
  });
}

/** Bytes on their way out. */
function contents(scope: FastifyInstance, storage: Storage): void {
  const readers = new SlowReaders(SLOW_READERS_MAX);
  scope.get('/content/:sha256', { exposeHeadRoute: false }, serve);
  scope.head('/content/:sha256', serve);

  async function serve(request: FastifyRequest, reply: FastifyReply) {
    const { sha256 } = request.params as { sha256: string };
    if (sha256 === NO_CONTENT) throw new ServiceError('not_found', 'No content has this hash.');
    const call = callOf(request, READ_DEADLINE_MS);
    const whole = await storage.getContent(sha256, null, call);
    const { size_bytes: size, media_type } = whole;
    const etag = `"${sha256}"`;
    reply.headers({
      'content-type': media_type,
      'accept-ranges': 'bytes',
      etag,
      'content-length': String(size),
    });
    const { range, 'if-range': ifRange } = request.headers;
    const honoured = request.method === 'GET' && (ifRange === undefined || ifRange === etag);
    const ranges = parseRanges(honoured ? range : undefined, size);
    if (ranges === 'unsatisfiable') {
      await release(whole);
      reply.removeHeader('content-length').header('content-range', `bytes */${size}`);
      const message = `The content has ${size} bytes; ask for a range within them.`;
      throw new ServiceError('range_not_satisfiable', message);
    }
    if (request.method === 'GET' && (ranges === 'whole' || ranges.length > 1)) {
      readers.watch(reply.raw);
      return reply.send(toStream(whole.bytes));
    }
    await release(whole);
    if (ranges === 'whole') return reply.send();
    const [part] = ranges as [(typeof ranges)[0]];
    const { bytes } = await storage.getContent(sha256, part, call);
    readers.watch(reply.raw);
    return reply
      .code(206)
      .header('content-range', `bytes ${part.first}-${part.last}/${size}`)
      .header('content-length', String(lengthOf(part)))
      .send(toStream(bytes));
  }
}

function toStream(bytes: AsyncIterable<Uint8Array>): Readable {
  return bytes instanceof Readable ? bytes : Readable.from(bytes, { objectMode: false });
}

function callOf(request: FastifyRequest, maxMs: number, signal?: AbortSignal) {
  const timeout = AbortSignal.timeout(maxMs);
  return {
    requestId: request.id,
    deadline: Date.now() + maxMs,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  };
}

function operationIdOf(request: FastifyRequest): string {
  const { operation_id } = request.params as { operation_id: string };
  if (isOperationId(operation_id)) return operation_id.toLowerCase();
  throw new ServiceError('invalid_request', 'The operation id in the path must be a UUID.');
}

/** The SHA-256 of Content-Digest (RFC 9530), if it carries one. */
function announced(request: FastifyRequest): string | undefined {
  const header = request.headers['content-digest'];
  if (header === undefined) return undefined;
  const digest = DIGEST.exec(String(header))?.[1];
  if (digest) return Buffer.from(digest, 'base64').toString('hex');
  const message = 'Content-Digest must carry sha-256=:<base64 of the SHA-256>:.';
  throw new ServiceError('invalid_request', message);
}

function requireToken(request: FastifyRequest, token: string | null): void {
  if (token === null) return;
  const given = request.headers.authorization ?? '';
  const digest = (text: string) => hash('sha256', text, 'buffer');
  if (timingSafeEqual(digest(given), digest(`Bearer ${token}`))) return;
  throw new ServiceError('request_forbidden', 'The content endpoint asks for its bearer token.');
}

function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = asServiceError(thrown);
  request.refusal = error.code;
  const { status, retryAfter } = statusOf(error.code);
  if (status === 500) request.log.error({ err: error }, error.message);
  // The disk, say: only this process knows why.
  else if (status > 500 && error.cause !== undefined) {
    request.log.warn({ err: error }, error.message);
  }
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  dropContentHeaders(reply);
  drain(request.raw);
  reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(error, request.id)));
}
