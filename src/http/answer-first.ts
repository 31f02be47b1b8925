import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Answers a request, or returns false and has not touched it. */
export type FirstAnswer = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * Shows every request to `first`, and only what it leaves to the hooks and routes; all of them once
 * the server closes, as Fastify then tells each connection to end.
 */
export function answerFirst(server: FastifyInstance, first: FirstAnswer): void {
  const http = server.server;
  const routes = http.listeners('request') as RequestListener[];
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  http.removeAllListeners('request');
  http.on('request', (request, response) => {
    if (!closing && first(request, response)) return;
    for (const route of routes) route.call(http, request, response);
  });
}
