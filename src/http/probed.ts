import type { ServiceError } from '../contract/errors.ts';
import {
  type DependencyHealth,
  HEALTH_REASONS,
  HealthError,
  type HealthReason,
} from '../contract/health.ts';

/** The health of what is looked at; ends in time, also when that does not. */
export async function probed(
  maxMs: number,
  look: (signal: AbortSignal) => Promise<unknown>,
): Promise<DependencyHealth> {
  const started = performance.now();
  const ending = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new HealthError('timeout', `There was no answer within ${maxMs} ms.`);
    late.reject(error);
    ending.abort(error);
  }, maxMs);
  const fault = await Promise.race([look(ending.signal), late.promise]).then(
    () => undefined,
    (error: unknown) => asHealthError(error),
  );
  clearTimeout(timer);
  const latency_ms = Math.round((performance.now() - started) * 100) / 100;
  if (!fault) return { status: 'healthy', latency_ms };
  return { status: 'unhealthy', latency_ms, reason: fault.reason, detail: fault.message };
}

/** Fails where a storage says that it cannot write. */
export function requireWritable({ degraded }: { degraded?: Refusal | undefined }): void {
  if (degraded) throw refusalFault(degraded);
}

type Refusal = Pick<ServiceError, 'code' | 'message'>;

function asHealthError(error: unknown): HealthError {
  if (error instanceof HealthError) return error;
  const { name, code, message } = (error ?? {}) as Partial<ServiceError>;
  if (name === 'ServiceError') return refusalFault({ code: code!, message: message! });
  return new HealthError('unreachable', 'It cannot be reached.', error);
}

function refusalFault({ code, message }: Refusal): HealthError {
  if (code === 'deadline_exceeded') return new HealthError('timeout', message);
  const known = HEALTH_REASONS.find((reason): reason is HealthReason => reason === code);
  return new HealthError(known ?? 'storage_unavailable', message);
}
