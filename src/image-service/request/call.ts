import type { FastifyReply } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { READ_DEADLINE_MS, WRITE_DEADLINE_MS } from '../../contract/limits.ts';
import type { Call, Outcome, WriteCall } from '../../contract/storage.ts';
import { whenClosed } from '../../http/when-closed.ts';

/** A write that began to commit just before its deadline is answered just after it. */
const COMMIT_GRACE_MS = 500;

/** Asks storage for what this request wants to know; a client that leaves ends the asking. */
export async function ask<T>(reply: FastifyReply, start: (call: Call) => Promise<T>): Promise<T> {
  const left = new AbortController();
  const leave = () => left.abort(new ServiceError('request_timeout', 'The client has gone.'));
  const stay = whenClosed(reply.raw, leave);
  try {
    return await askAlone(reply.request.id, start, left.signal);
  } finally {
    stay();
  }
}

/** The same for a question that several requests may share: no single client ends it. */
export function askAlone<T>(
  requestId: string,
  start: (call: Call) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const late = () =>
    new ServiceError('deadline_exceeded', 'The storage did not answer in time. Try again.');
  const deadline = Date.now() + READ_DEADLINE_MS;
  return untilLate(READ_DEADLINE_MS, late, signal, (signal) =>
    start({ requestId, deadline, signal }),
  );
}

/**
 * Has a change made. The request has come whole, so it is carried out even when its client leaves
 * now: who repeats it with the same Idempotency-Key learns the outcome.
 */
export async function change<T>(
  requestId: string,
  operationId: string,
  start: (call: WriteCall) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const late = () =>
    new ServiceError(
      'outcome_unknown',
      'The change was not confirmed in time. Repeat it with the same Idempotency-Key to learn its outcome.',
    );
  const deadline = Date.now() + WRITE_DEADLINE_MS;
  return await untilLate(WRITE_DEADLINE_MS + COMMIT_GRACE_MS, late, undefined, (signal) =>
    start({ requestId, deadline, signal, operationId }),
  );
}

/** The wait ends when it is late, whatever the work does; the work is told by its signal. */
async function untilLate<T>(
  milliseconds: number,
  late: () => ServiceError,
  outer: AbortSignal | undefined,
  start: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const lateness = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = late();
    lateness.reject(error);
    ending.abort(error);
  }, milliseconds);
  try {
    const signal = outer ? AbortSignal.any([outer, ending.signal]) : ending.signal;
    return await Promise.race([start(signal), lateness.promise]);
  } finally {
    clearTimeout(timer);
  }
}
