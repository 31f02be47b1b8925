import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Requests whose client has not been told yet whether to send the body. */
const undecided = new WeakSet<IncomingMessage>();

/**
 * Sends `100 Continue` when the first reader asks for the body, and not before: a request that is
 * refused by its head alone gets its refusal instead of an invitation to send the body (RFC 9110,
 * 10.1.1). Node closes the connection after a response without it, because nobody can know whether
 * the next bytes are the body or another request.
 */
export function continueWhenRead(http: Server): void {
  http.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (hasBody(request)) deferContinue(request, response);
    http.emit('request', request, response);
  });
}

/** From now on the body is only discarded. Whether its client was still waiting for a decision. */
export function withholdContinue(request: IncomingMessage): boolean {
  return undecided.delete(request);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function deferContinue(request: IncomingMessage, response: ServerResponse): void {
  undecided.add(request);
  const read = request._read;
  request._read = (size) => {
    request._read = read;
    if (undecided.delete(request) && !response.headersSent) response.writeContinue();
    read.call(request, size);
  };
}
