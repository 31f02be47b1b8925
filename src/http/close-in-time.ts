import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** How long running requests may finish when the service is stopped. */
const CLOSE_MAX_MS = 10_000;
/** An idle connection that is cut while a request is on its way to it loses that request. */
const CLOSE_GRACE_MS = 250;
/** How often connections that became idle meanwhile are closed. */
const CLOSE_CHECK_MS = 50;

/**
 * Connections end with their next answer, which from now on says so; then once they are idle. Requests
 * that run may finish, for a while.
 */
export function closeInTime(server: FastifyInstance): void {
  const http = server.server;
  sendBeforeClosing(http);
  server.addHook('preClose', (done) => {
    let sweep: NodeJS.Timeout;
    const end = () => {
      sweep = setInterval(() => http.closeIdleConnections(), CLOSE_CHECK_MS).unref();
      done();
    };
    const cut = setTimeout(() => http.closeAllConnections(), CLOSE_MAX_MS).unref();
    http.once('close', () => {
      clearInterval(sweep);
      clearTimeout(cut);
    });
    http.getConnections((_error, count) => {
      if (count === 0) end();
      else setTimeout(end, CLOSE_GRACE_MS);
    });
  });
}

/**
 * Node takes a connection for idle when its answer was written, be it sent or not, and would cut what a
 * slow reader has not got yet. So while anything is to be sent none is closed for being idle; `close`
 * of the server goes by the same method.
 */
function sendBeforeClosing(http: Server): void {
  const sockets = new Set<Socket>();
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const closeIdle = http.closeIdleConnections.bind(http);
  http.closeIdleConnections = () => {
    if (!sockets.values().some((socket) => socket.writableLength > 0)) closeIdle();
  };
}
