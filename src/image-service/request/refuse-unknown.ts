import type { FastifyInstance } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import type { BrowserGuard } from './browser-guard.ts';
import { likelyAddress } from './likely-address.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Addresses and methods that no route has; OPTIONS is answered for all that have one. */
export function refuseUnknown(
  server: FastifyInstance,
  guard: BrowserGuard,
  basePath: string,
): void {
  // The limit of the rate is a hook of routes, and has to be asked for here.
  const preHandler = server.hasDecorator('rateLimit') ? server.rateLimit() : [];
  server.setNotFoundHandler({ preHandler }, (request, reply) => {
    const [url = '/'] = request.url.split('?', 1);
    const methodsOf = (url: string) =>
      METHODS.filter((method) => server.findRoute({ method, url }));
    const taken = methodsOf(url);
    const method = request.method as (typeof METHODS)[number];
    if (taken.length === 0 || taken.includes(method)) {
      const likely = likelyAddress(url, (path) => methodsOf(path).length > 0);
      const hint = likely === undefined ? '' : ` Did you mean ${basePath}${likely}?`;
      const message = `No route matches this URL.${hint} ${basePath}/docs shows all.`;
      throw new ServiceError('not_found', message);
    }
    const allow = [...taken, 'OPTIONS'].join(', ');
    reply.header('allow', allow);
    if (request.method === 'OPTIONS') {
      guard.preflight(request.headers, reply, allow);
      return reply.code(204).send();
    }
    throw new ServiceError('method_not_allowed', `Method not allowed. Allowed: ${allow}.`);
  });
}
