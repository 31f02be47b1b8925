import { hostName, onOrOff, type Setting, type Settings, wholeNumber } from '../settings.ts';

/** The settings of the HTTP edge. */
export const imageServiceSettings = {
  host: {
    name: 'HOST',
    default: '127.0.0.1',
    describe: 'address to listen on; 0.0.0.0 for every network',
    parse: hostName,
  } satisfies Setting<string>,
  port: {
    name: 'PORT',
    default: 8000,
    describe: 'port to listen on; 0 for any free one',
    parse: wholeNumber(0, 65_535),
  } satisfies Setting<number>,
  basePath: {
    name: 'BASE_PATH',
    default: '',
    describe: 'path of a proxy under which users reach the service, such as /art',
    parse: parseBasePath,
  } satisfies Setting<string> as Setting<string>,
  corsOrigins: {
    name: 'CORS_ORIGINS',
    default: [],
    describe: 'origins of other sites whose pages may use the service, separated by commas',
    parse: (text) => text.split(',').map((origin) => parseOrigin(origin.trim())),
  } satisfies Setting<readonly string[]> as Setting<readonly string[]>,
  trustProxy: {
    name: 'TRUST_PROXY',
    default: false,
    describe: 'believe X-Forwarded-* and X-User-ID; on only behind a proxy that sets them',
    parse: onOrOff,
  } as Setting<boolean>,
  deliveryCacheMb: {
    name: 'DELIVERY_CACHE_MB',
    default: 64,
    describe: 'memory that keeps the most asked-for image files, in MB; 0 for none',
    parse: wholeNumber(0, 65_536),
  } satisfies Setting<number>,
  metadataCacheMb: {
    name: 'METADATA_CACHE_MB',
    default: 32,
    describe: 'memory that keeps metadata and lists until they change, in MB; 0 for none',
    parse: wholeNumber(0, 65_536),
  } satisfies Setting<number>,
  rateLimit: {
    name: 'RATE_LIMIT',
    default: 0,
    describe:
      'requests that one client may send a minute, health and metrics aside; 0 for any number',
    parse: wholeNumber(0, 1_000_000),
  } satisfies Setting<number>,
  uploadsMax: {
    name: 'UPLOADS_MAX',
    default: 24,
    describe:
      'uploads at 64 KiB/s or more that are received at the same time; further ones get 503 with Retry-After',
    parse: wholeNumber(1, 10_000),
  } satisfies Setting<number>,
};

export type ImageServiceConfig = Settings<typeof imageServiceSettings>;

function parseOrigin(text: string): string {
  if (URL.canParse(text) && new URL(text).origin === text.toLowerCase()) return text.toLowerCase();
  throw new Error('must be a list of origins, such as https://example.org,http://localhost:5173');
}

/** Below these the service has routes of its own, and could not tell a request with the path from one without. */
const OWN_PATHS = /^\/(api|docs|health|metrics)(\/|$)/;
const PATH = /^(\/[\w~-][\w.~-]*)+$/;
const PATH_MAX_CHARACTERS = 200;

function parseBasePath(text: string): string {
  const path = text.replace(/\/$/, '');
  if (path === '') return path;
  if (PATH.test(path) && path.length <= PATH_MAX_CHARACTERS && !OWN_PATHS.test(path)) return path;
  throw new Error(
    'must be a path such as /art, of letters, digits, - _ . ~, and not below /api, /docs, /health or /metrics',
  );
}
