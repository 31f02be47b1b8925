import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, ServiceError } from '../contract/errors.ts';
import { withholdContinue } from '../http/continue-when-read.ts';
import { drain } from '../http/drain.ts';
import { asServiceError, dropContentHeaders, PROBLEM_TYPE, problemOf } from '../http/problem.ts';
import { statusOf } from '../http/status.ts';

type Send = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** Answers with what went wrong; `counted` is told each code. */
export function problemSender(counted: (code: ErrorCode) => void): Send {
  return (thrown, request, reply) => {
    const error = toldOfKeys(asServiceError(thrown));
    counted(error.code);
    sendProblem(error, request, reply);
  };
}

function sendProblem(error: ServiceError, request: FastifyRequest, reply: FastifyReply): void {
  request.refusal = error.code;
  const { status, retryAfter } = statusOf(error.code);
  const id = idOf(request);
  if (request.raw.socket.destroyed) request.log.info(id, 'the connection ended before the answer');
  else if (error.code === 'overloaded') request.log.info(id, error.message);
  else if (status >= 500)
    request.log[status === 500 ? 'error' : 'warn']({ ...id, err: error }, error.message);
  if (error.replayed) reply.header('idempotent-replayed', 'true');
  if (retryAfter !== undefined && !reply.hasHeader('retry-after')) {
    reply.header('retry-after', String(retryAfter));
  }
  dropContentHeaders(reply);
  // Fastify closes at once after a body it could not parse; see `drain`.
  if (reply.hasHeader('connection')) reply.removeHeader('connection');
  if (withholdContinue(request.raw)) reply.header('connection', 'close');
  drain(request.raw);
  reply
    .code(status)
    // Also for what fails before the hooks run.
    .header('x-request-id', request.id)
    .header('x-content-type-options', 'nosniff')
    .header('content-type', PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .serializer(JSON.stringify)
    .send(problemOf(error, request.id));
}

/** For the log: a delivery's logger is not bound to its request. */
function idOf({ delivery, id }: FastifyRequest): { request_id?: string } {
  return delivery ? { request_id: id } : {};
}

/** What storage calls an operation id is to a client of the edge its Idempotency-Key. */
function toldOfKeys(error: ServiceError): ServiceError {
  if (error.code !== 'operation_id_reused') return error;
  return new ServiceError(
    'idempotency_key_reused',
    'This Idempotency-Key came before with another request. Use a new key for a new request.',
    { replayed: error.replayed },
  );
}
