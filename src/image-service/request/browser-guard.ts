import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import type { ImageServiceConfig } from '../config.ts';

/**
 * Keeps pages of other sites from writing, and from reading by a name that they have rebound to
 * the loopback. There are no cookies here, but a browser on the host reaches what others cannot.
 */

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** Of a server, or in a Host header, with a port. */
const LOOPBACK_HOST = /^(localhost\.?|127(\.\d{1,3}){3}|\[::1\]|::1)(:\d*)?$/i;
const EXPOSED_HEADERS =
  'ETag, Location, Retry-After, Idempotent-Replayed, X-Request-ID, Content-Range, Accept-Ranges, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset';
/** A target that names its server: its authority counts, not the Host (RFC 9112, 3.2.2). */
const ABSOLUTE_TARGET = /^[a-z][a-z\d+.-]*:\/\//i;
/** What a browser says of requests that may write; all else is refused, also what is unknown. */
const HARMLESS_SITES = new Set<unknown>([undefined, 'same-origin', 'same-site', 'none']);
/** A host, with or without a port: no user, path or query. */
const PLAIN_HOST = /^[\w.:[\]-]+$/;
/** Of a header in the text of an error. */
const SHOWN_MAX_CHARACTERS = 200;
const PREFLIGHT_SECONDS = 600;

export type BrowserGuard = ReturnType<typeof createBrowserGuard>;

export function createBrowserGuard(
  config: Pick<ImageServiceConfig, 'host' | 'corsOrigins' | 'trustProxy'>,
) {
  const allowed: ReadonlySet<string> = new Set(config.corsOrigins);
  const onLoopback = LOOPBACK_HOST.test(config.host);

  return {
    /** Whether pages of other origins may read answers, which then depend on who asks. */
    shares: allowed.size > 0,

    /** invalid_request without one Host (RFC 9112, 3.2), and request_forbidden for a wrong one. */
    hostFault(request: IncomingMessage): ServiceError | undefined {
      const { headers, httpVersionMinor } = request;
      if (headers.host === undefined && httpVersionMinor > 0) {
        const message = 'A request of HTTP/1.1 must have a Host header.';
        return new ServiceError('invalid_request', message);
      }
      if (hasTwoHosts(request.rawHeaders)) {
        return new ServiceError('invalid_request', 'A request must have only one Host header.');
      }
      if (!onLoopback || LOOPBACK_HOST.test(askedHost(request))) return undefined;
      const message =
        'The Host header, or the URL of the request line, must name this machine, such as localhost or 127.0.0.1, because the service listens on the loopback. A proxy in front of it must send "Host: 127.0.0.1".';
      return new ServiceError('request_forbidden', message);
    },

    /** Throws the fault of the Host, and request_forbidden. */
    check(request: FastifyRequest): void {
      const { headers, method } = request.raw;
      const fault = this.hostFault(request.raw);
      if (fault) throw fault;
      if (SAFE_METHODS.has(method!)) return;
      const { origin, 'sec-fetch-site': site } = headers;
      if (origin !== undefined && allowed.has(origin.toLowerCase())) return;
      // No page can set this header. A proxy that changes Host does not change what a browser knows.
      if (site === 'same-origin') return;
      const hosts = hostsOf(request, config.trustProxy);
      const foreign = origin !== undefined && !hosts.some((host) => isOwn(origin, host));
      if (foreign || !HARMLESS_SITES.has(site)) throw forbidden(origin, hosts);
    },

    /** Lets the pages of allowed origins read the answer. */
    share(headers: IncomingHttpHeaders, reply: FastifyReply): void {
      if (allowed.size === 0) return;
      reply.header('vary', 'Origin');
      const { origin } = headers;
      if (origin === undefined || !allowed.has(origin.toLowerCase())) return;
      reply.header('access-control-allow-origin', origin);
      reply.header('access-control-expose-headers', EXPOSED_HEADERS);
    },

    /** Answers what a browser asks before it sends a request of an allowed origin. */
    preflight(headers: IncomingHttpHeaders, reply: FastifyReply, methods: string): void {
      if (!headers.origin || !allowed.has(headers.origin.toLowerCase())) return;
      if (!headers['access-control-request-method']) return;
      reply.header('access-control-allow-methods', methods);
      reply.header('access-control-max-age', String(PREFLIGHT_SECONDS));
      const wanted = headers['access-control-request-headers'];
      if (wanted) reply.header('access-control-allow-headers', wanted);
    },
  };
}

/** Node keeps the first of them in `headers` and drops the others. */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count > 1;
}

function askedHost({ url = '', headers }: IncomingMessage): string {
  if (url.startsWith('/') || !ABSOLUTE_TARGET.test(url)) return headers.host ?? '';
  return URL.parse(url)?.host ?? '';
}

/** By which the service may have been asked: a proxy may tell the port apart from the host. */
function hostsOf(request: FastifyRequest, trustProxy: boolean): string[] {
  const { host, hostname } = request;
  const port = trustProxy ? request.headers['x-forwarded-port'] : undefined;
  return typeof port === 'string' && /^\d{1,5}$/.test(port)
    ? [host, `${hostname}:${port}`]
    : [host];
}

/**
 * By host and port alone: behind a proxy that ends TLS the scheme is not known here, so the port may
 * be the default one of the page's scheme, or of http.
 */
function isOwn(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  if (!page || !/^https?:$/.test(page.protocol) || !PLAIN_HOST.test(host)) return false;
  // A browser sends nothing but the origin: no user, path or default port.
  if (page.origin !== origin.toLowerCase()) return false;
  return [page.protocol, 'http:'].some((scheme) => {
    const asked = URL.parse(`${scheme}//${host}`);
    return asked !== null && withoutDot(asked.host) === withoutDot(page.host);
  });
}

/** The root's dot: `images.example.` is `images.example`. */
function withoutDot(host: string): string {
  return host.replace(/\.(?=:|$)/, '');
}

function forbidden(origin: string | undefined, [host = '']: readonly string[]): ServiceError {
  const shown = (text: string) => text.slice(0, SHOWN_MAX_CHARACTERS);
  const compared =
    origin === undefined
      ? 'Sec-Fetch-Site calls this request cross-site, or is not a known value.'
      : `The page's origin is ${shown(origin)}, and the request is for the host ${shown(host)}.`;
  return new ServiceError(
    'request_forbidden',
    `Pages of other sites may not write here. ${compared} To allow the page, add its origin to CORS_ORIGINS; behind a proxy, pass on the Host of the request.`,
  );
}
