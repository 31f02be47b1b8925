import type { FastifyInstance } from 'fastify';
import { openSpan } from '../telemetry/trace.ts';

/** A span for every request; one that says where it belongs continues its trace. */
export function traceRequests(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, next) => {
    const { method, routeOptions, headers } = request;
    const { traceparent: parent } = headers;
    const route = routeOptions.url ?? 'other';
    const attributes = { 'http.request.method': method, 'http.route': route };
    const span = openSpan(`${method} ${route}`, {
      kind: 'server',
      attributes: { ...attributes, 'dnd.request_id': request.id },
      ...(typeof parent === 'string' && { parent }),
    });
    // Also when the client leaves before its answer.
    reply.raw.once('close', () => {
      const { statusCode } = reply.raw;
      span.end({ 'http.response.status_code': statusCode }, statusCode >= 500);
    });
    span.within(next);
  });
}
