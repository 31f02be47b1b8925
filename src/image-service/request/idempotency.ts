import type { FastifyReply, FastifyRequest } from 'fastify';
import { v5, v7 } from 'uuid';
import { invalid } from '../../contract/errors.ts';
import { IDEMPOTENCY_KEY_MAX_CHARACTERS } from '../../contract/limits.ts';
import type { Outcome } from '../../contract/storage.ts';

const KEY = new RegExp(`^[\\x21-\\x7e]{1,${IDEMPOTENCY_KEY_MAX_CHARACTERS}}$`);
/** Of the operations of this service: a random UUID that never changes. */
const NAMESPACE = '5b1f0c9c-5a0e-4c55-9d1d-f6a0a4b6e3d7';

/** Names the operation of a request: equal for its repetitions with the same Idempotency-Key. */
export function operationIdOf(request: FastifyRequest): string {
  const key = request.headers['idempotency-key'];
  // By time: an index of operations then grows at its end, which costs a commit fewer pages.
  if (key === undefined) return v7();
  if (typeof key !== 'string' || !KEY.test(key)) {
    const message = `must be 1 to ${IDEMPOTENCY_KEY_MAX_CHARACTERS} visible ASCII characters`;
    throw invalid([{ field: 'Idempotency-Key', message }]);
  }
  const [path] = request.url.split('?', 1);
  return v5(JSON.stringify([request.owner, request.method, path, key]), NAMESPACE);
}

/** Of several that one request is tried as, each names its own in the same way every time. */
export function operationIdOfAttempt(operationId: string, attempt: string): string {
  return v5(attempt, operationId);
}

/**
 * The value of an outcome; a kept answer says that it is one. Without a key nobody repeated the
 * request: then storage was asked twice because an answer was lost on its way.
 */
export function answerOnce<T>(reply: FastifyReply, outcome: Outcome<T>): T {
  const repeatable = reply.request.headers['idempotency-key'] !== undefined;
  if (outcome.replayed && repeatable) reply.header('idempotent-replayed', 'true');
  return outcome.value;
}
