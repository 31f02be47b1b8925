import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import { REQUEST_ID_MAX_CHARACTERS } from '../contract/limits.ts';
import type { Storage, StorageEvents } from '../contract/storage.ts';
import { answerFirst } from '../http/answer-first.ts';
import { closeInTime } from '../http/close-in-time.ts';
import { boundConnections } from '../http/connections.ts';
import { continueWhenRead } from '../http/continue-when-read.ts';
import { answerSocketError } from '../http/problem.ts';
import { traceRequests } from '../http/traced-requests.ts';
import { UploadGate } from '../http/upload-gate.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { tracesAreExported } from '../telemetry/trace.ts';
import { type Answered, recordAnswered } from './answered.ts';
import { ContentCache } from './caches/content-cache.ts';
import { ImageCache } from './caches/image-cache.ts';
import { ListCache } from './caches/list-cache.ts';
import type { ImageServiceConfig } from './config.ts';
import { deliverFromMemory } from './delivery/from-memory.ts';
import { problemSender } from './problem.ts';
import { underProxyPath, withoutProxyPath } from './proxy-path.ts';
import { Admission } from './request/admission.ts';
import { type BrowserGuard, createBrowserGuard } from './request/browser-guard.ts';
import { keepQueryText } from './request/query.ts';
import { limitRate } from './request/rate-limit.ts';
import { refuseUnknown } from './request/refuse-unknown.ts';
import { asyncapiRoutes } from './routes/asyncapi.ts';
import { CONTENT_URL, contentRoutes } from './routes/content.ts';
import { describeRoutes, docsRoutes } from './routes/docs.ts';
import { type HealthDependencies, healthRoutes } from './routes/health.ts';
import { imageRoutes } from './routes/image.ts';
import { imagesRoutes } from './routes/images.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { themesRoutes } from './routes/themes.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, as a trusted proxy says; null until access control exists. */
    readonly owner: string | null;
    /** Asks for the bytes of an image: too many to log each that goes well. */
    delivery: boolean;
  }
}

export type ImageServiceDependencies = HealthDependencies & {
  config: ImageServiceConfig;
  storage: Storage;
  events: StorageEvents;
  log: FastifyBaseLogger;
  metrics: Metrics;
};

const MiB = 1024 * 1024;

// Bounds of a connection. A request's own deadlines end long before these.
const HEADERS_MAX_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** An upload may take 120 s; its own watch answers before this cuts. */
const REQUEST_TIMEOUT_MS = 130_000;
/** No byte in either direction; up to twice that where an answer is stuck, as Node then looks again. */
const SILENCE_MAX_MS = 60_000;
/** Longer than the usual 60 s of a proxy, which must be the one to close. */
const KEEP_ALIVE_MS = 65_000;
/** How often Node looks for connections over these bounds. */
const TIMEOUT_CHECK_MS = 1_000;
const CONNECTIONS_MAX = 8_192;
/** Longer than any id; a longer path segment could only be wrong, which its route says. */
const PARAMETER_MAX_CHARACTERS = HEADERS_MAX_BYTES;

const REQUEST_ID = new RegExp(`^[\\w.-]{1,${REQUEST_ID_MAX_CHARACTERS}}$`);

/** The contract checks what comes in, and what goes out is typed: route schemas only document. */
const DOCUMENT_ONLY = {
  compilersFactory: {
    buildValidator: () => () => () => true,
    buildSerializer: () => () => JSON.stringify,
  },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>;

/** The Image Service, ready to listen. */
export async function buildServer(deps: ImageServiceDependencies): Promise<FastifyInstance> {
  const { config, events, log, metrics } = deps;
  const { basePath } = config;
  const storage = underProxyPath(deps.storage, basePath);
  const sendProblem = problemSender((code) => metrics.error(code));
  const requestId = requestIds();
  const server = Fastify({
    loggerInstance: log,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    genReqId: requestId,
    trustProxy: config.trustProxy && nearest,
    ...(basePath && { rewriteUrl: withoutProxyPath(basePath) }),
    http: {
      maxHeaderSize: HEADERS_MAX_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      // Missed by us, with an answer like all others.
      requireHostHeader: false,
      // Those without a body do not get a stream for it that has to end.
      optimizeEmptyRequests: true,
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_MAX_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: {
      // Handled, because not every HTTP client repeats a body when it is redirected.
      ignoreTrailingSlash: true,
      maxParamLength: PARAMETER_MAX_CHARACTERS,
      querystringParser: keepQueryText,
    },
    schemaController: DOCUMENT_ONLY,
    frameworkErrors: sendProblem,
    clientErrorHandler: answerSocketError,
  });
  boundConnections(server.server, CONNECTIONS_MAX);
  // Of unknown expectations none has to be met (RFC 9110, 10.1.1), and Node's 417 says nothing.
  server.server.on('checkExpectation', (...exchange) => server.server.emit('request', ...exchange));
  continueWhenRead(server.server);
  server.removeAllContentTypeParsers();

  const metadataBytes = config.metadataCacheMb * MiB;
  const images = new ImageCache(storage, events, metadataBytes / 2);
  const lists = new ListCache(events, { sizeBytes: metadataBytes / 2 });
  const contents = new ContentCache(storage, config.deliveryCacheMb * MiB);
  measureCaches(metrics, { images, lists, contents });
  showChanges(server, lists);
  const uploads = new UploadGate({ flowing: config.uploadsMax });
  const admission = new Admission();
  measureAdmission(metrics, admission, uploads);
  const guard = createBrowserGuard(config);

  if (tracesAreExported()) traceRequests(server);
  identifyOwner(server, config.trustProxy);
  observe(server, guard, metrics);
  server.setErrorHandler(sendProblem);
  // Not while each request has to be traced, or counted.
  if (!tracesAreExported() && config.rateLimit === 0) {
    const answered = (answer: Answered) => recordAnswered(log, metrics, answer);
    const route = CONTENT_URL;
    const memory = { images, contents, guard, basePath, route, requestId, answered };
    answerFirst(server, deliverFromMemory(memory));
  }
  // After it: this waits, and meanwhile connections are told by their answers.
  closeInTime(server);
  server.addHook('onClose', async () => {
    // Not before: until then requests are answered, and changes must be heard.
    for (const each of [admission, images, lists]) each.close();
  });

  await describeRoutes(server, { version: deps.version, basePath });
  await limitRate(server, config.rateLimit);
  refuseUnknown(server, guard, basePath);
  await server.register(imagesRoutes, { basePath, storage, lists, uploads, admission });
  await server.register(imageRoutes, { storage, images, admission });
  await server.register(contentRoutes, { storage, images, contents, uploads });
  await server.register(themesRoutes, { storage, admission });
  await server.register(healthRoutes, deps);
  await server.register(metricsRoutes, { metrics });
  await server.register(docsRoutes, { basePath });
  await server.register(asyncapiRoutes, deps);
  return server;
}

/** The id a request brings along if it is plain, else one that is unique and costs nearly nothing. */
function requestIds(): (request: { headers: IncomingHttpHeaders }) => string {
  const start = randomUUID().slice(0, 8);
  let count = 0;
  return ({ headers }) => {
    const id = headers['x-request-id'] as string | undefined;
    if (id !== undefined && REQUEST_ID.test(id)) return id;
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}

/** Of X-Forwarded-For the last address counts, which the proxy added: those before are the client's. */
function nearest(_address: string, hop: number): boolean {
  return hop === 0;
}

function identifyOwner(server: FastifyInstance, trustProxy: boolean): void {
  server.decorateRequest('owner', {
    getter(this: FastifyRequest) {
      const user = this.headers['x-user-id'];
      return trustProxy && typeof user === 'string' ? user : null;
    },
  });
}

/** What every request meets, and the line it leaves in the log. */
function observe(server: FastifyInstance, guard: BrowserGuard, metrics: Metrics): void {
  server.decorateRequest('delivery', false);
  server.addHook('onRequest', (request, reply, next) => {
    reply.header('x-request-id', request.id);
    reply.headers(SECURITY_HEADERS);
    guard.share(request.raw.headers, reply);
    try {
      guard.check(request);
      next();
    } catch (thrown) {
      next(thrown as Error);
    }
  });
  server.addHook('onResponse', (request, reply, next) => {
    const { id, method, url, delivery, refusal } = request;
    recordAnswered(request.log, metrics, {
      ...(delivery && { requestId: id }),
      route: request.routeOptions.url,
      method,
      url,
      status: reply.statusCode,
      code: refusal,
      milliseconds: reply.elapsedTime,
      delivery,
    });
    next();
  });
}

/** Who changed something through this service sees it in the next list, whenever its event comes. */
function showChanges(server: FastifyInstance, lists: ListCache): void {
  const changed = (_request: unknown, _reply: unknown, _payload: unknown, done: () => void) => {
    lists.changed();
    done();
  };
  server.addHook('onRoute', (route) => {
    if (route.method === 'GET' || route.method === 'HEAD') return;
    route.onSend = [route.onSend ?? [], changed].flat();
  });
}

type Caches = { images: ImageCache; lists: ListCache; contents: ContentCache };

function measureCaches(metrics: Metrics, { images, lists, contents }: Caches): void {
  const requests = (name: string, what: string, cache: Caches[keyof Caches]) =>
    metrics.totals(
      `dnd_${name}_cache_requests_total`,
      { help: `${what}: hit, or miss`, label: 'outcome' },
      () => ({ hit: cache.load.hits, miss: cache.load.misses }),
    );
  requests('image', 'Images asked of the cache of metadata', images);
  requests('list', 'Pages asked of the cache of lists', lists);
  requests('delivery', 'Files asked of the delivery cache', contents);
  metrics.gauges(
    'dnd_metadata_cache_bytes',
    { help: 'Metadata in memory: images, and pages of lists', label: 'cache' },
    () => ({ images: images.load.bytes, lists: lists.load.bytes }),
  );
  metrics.gauge(
    'dnd_delivery_cache_bytes',
    'Files in memory for delivery',
    () => contents.load.bytes,
  );
}

function measureAdmission(metrics: Metrics, admission: Admission, uploads: UploadGate): void {
  metrics.gauges(
    'dnd_http_requests_in_progress',
    { help: 'Requests about images and themes: inside, or waiting; and uploads', label: 'state' },
    () => {
      const { flowing: uploading, slow } = uploads.load;
      return { ...admission.load, uploading, uploading_slowly: slow };
    },
  );
}
