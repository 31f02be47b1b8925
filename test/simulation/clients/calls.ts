import { type ErrorCode, ServiceError } from '../../../src/contract/errors.ts';
import type { Storage, WriteCall } from '../../../src/contract/storage.ts';
import { type Edge, EdgeGoneError } from '../edge/edge.ts';
import type { World } from '../world/world.ts';

/** A call ends so soon after its deadline. */
const TOLERANCE_MS = 100;
/** Longer than three deaths can keep the service away, 100 s each. */
const ATTEMPTS_MAX = 300;
/** Then nothing goes wrong any more: a world may be such that nothing ever comes through. */
const PATIENCE_ATTEMPTS = 60;

/** After these a client repeats; with the same operation id it then learns the outcome. */
const REPEATED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'outcome_unknown',
  'storage_unavailable',
  'deadline_exceeded',
  'content_missing',
  'overloaded',
]);

type Asking = {
  edge: Edge;
  operationId: string;
  maxMs: number;
  signal?: AbortSignal;
};

/** One call of a storage, which must end in time. Fails as the call does, and with its edge. */
export async function ask<T>(
  { edge, operationId, maxMs, signal = new AbortController().signal }: Asking,
  start: (storage: Storage, call: WriteCall) => Promise<T>,
): Promise<T> {
  const { world, name } = edge.process;
  const { jumps } = world;
  const deadline = Date.now() + maxMs;
  const call = { requestId: operationId, operationId, deadline, signal };
  try {
    return await edge.run((storage) => start(storage, call));
  } finally {
    const lateMs = Date.now() - deadline;
    if (lateMs > TOLERANCE_MS && world.jumps === jumps) {
      world.broken('every call ends by its deadline', `one of ${name} was ${lateMs} ms late`);
    }
  }
}

/** Attempts until the outcome is certain: a value, or an error that a repetition would not change. */
export async function repeated<T>(
  world: World,
  what: string,
  attempt: () => Promise<T>,
): Promise<T | ServiceError> {
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof EdgeGoneError) {
        world.trace.say('client', `${what}: the edge is gone`);
      } else if (error instanceof ServiceError) {
        world.trace.say('client', `${what}: ${error.code}`);
        if (!REPEATED.has(error.code)) return error;
      } else {
        throw error;
      }
    }
    if (attempts === PATIENCE_ATTEMPTS) world.wild = false;
    await world.time.sleep(world.between(50, 3_000));
  }
  world.broken('every write gets an outcome', `${what} had none in ${ATTEMPTS_MAX} attempts`);
  return new ServiceError('internal', 'It has no outcome.');
}
