import { setTimeout as sleep } from 'node:timers/promises';
import { AnsweredError, UnreachableError } from './problem.ts';

/** The first wait; each further one is twice as long, less up to half of it by chance. */
const BACKOFF_FIRST_MS = 200;
/** Long enough to let a service breathe, short enough to notice soon that it is back. */
const BACKOFF_MAX_MS = 5_000;
/** Patience and back-off allow fewer; this holds when the clock is set back. */
const ATTEMPTS_MAX = 1_000;

/** Too many requests, and not now; 502 and 504 are a gateway's words for the same. */
const PASSING = new Set([429, 502, 503, 504]);

export type Patience = {
  /** How long after the first failure another attempt may begin, in milliseconds. */
  patienceMs: number;
  /** Once it aborts, no further attempt begins. */
  signal?: AbortSignal | undefined;
};

/**
 * Repeats what fails for a passing reason. It is safe for every request of this client, because a
 * write carries an Idempotency-Key. Throws what the last attempt threw; UnreachableError stands
 * for the many ways in which a connection fails.
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  url: string,
  { patienceMs, signal }: Patience,
): Promise<T> {
  let giveUpAt: number | undefined;
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (thrown) {
      const failure = isNetworkFailure(thrown) ? new UnreachableError(url, thrown) : thrown;
      const waitMs = Math.max(askedMs(failure), backoffMs(attempts));
      giveUpAt ??= Date.now() + patienceMs;
      if (attempts === ATTEMPTS_MAX || Date.now() + waitMs > giveUpAt || signal?.aborted) {
        throw failure;
      }
      // What failed is what the caller should hear, not that the wait was aborted.
      await sleep(waitMs, undefined, { signal }).catch(() => {
        throw failure;
      });
    }
  }
}

/** How long to wait at least; for ever when another attempt would fail in the same way. */
function askedMs(failure: unknown): number {
  if (failure instanceof UnreachableError) return 0;
  if (failure instanceof AnsweredError && PASSING.has(failure.status)) return failure.retryAfterMs;
  return Number.POSITIVE_INFINITY;
}

function backoffMs(attempts: number): number {
  const longest = Math.min(BACKOFF_FIRST_MS * 2 ** (attempts - 1), BACKOFF_MAX_MS);
  return longest * (0.5 + Math.random() / 2);
}

/**
 * fetch rejects with a TypeError that has a cause; an attempt that took too long with a
 * TimeoutError. A file that cannot be read any more is no fault of the network.
 */
function isNetworkFailure(thrown: unknown): boolean {
  if (thrown instanceof DOMException) return thrown.name === 'TimeoutError';
  if (!(thrown instanceof TypeError) || thrown.cause === undefined) return false;
  return !(thrown.cause instanceof DOMException && thrown.cause.name === 'NotReadableError');
}
