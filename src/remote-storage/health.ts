import { randomUUID } from 'node:crypto';
import { ServiceError } from '../contract/errors.ts';
import type { Storage } from '../contract/storage.ts';
import type { Hub } from '../hub/hub.ts';
import type { ContentClient } from './content-client.ts';

/** A part that has not answered by then does not work. */
const PROBE_MAX_MS = 2_000;
/** Shorter, so that a storage whose hub hangs says so before whoever asks gives it up. */
const OWN_PROBE_MAX_MS = 1_000;

type State = { status: 'healthy' | 'unhealthy'; latency_ms: number };

/** Connected, and a round trip in time. */
export async function hubHealth(hub: Hub, maxMs = PROBE_MAX_MS): Promise<State> {
  return timed(maxMs, () => hub.ping());
}

/** What a Storage Service says of its state. */
export async function storageHealth(contents: ContentClient): Promise<State> {
  return timed(PROBE_MAX_MS, async (signal) => {
    const call = { requestId: randomUUID(), deadline: Date.now() + PROBE_MAX_MS, signal };
    const { status } = ((await contents.health(call)) ?? {}) as { status?: unknown };
    if (status !== 'healthy' && status !== 'ready') throw new Error('The storage is unhealthy.');
  });
}

/** The health of a Storage Service: its state decides; the hub is told beside it. */
export async function stateHealth(storage: Storage, hub: Hub, version: string) {
  const [state, message_hub] = await Promise.all([
    timed(OWN_PROBE_MAX_MS, async (signal) => {
      const deadline = Date.now() + OWN_PROBE_MAX_MS;
      const { degraded } = await storage.ping({ requestId: randomUUID(), deadline, signal });
      if (degraded) throw new ServiceError(degraded.code, degraded.message);
    }),
    hubHealth(hub, OWN_PROBE_MAX_MS),
  ]);
  const healthy = state.status === 'healthy';
  const dependencies = { message_hub, storage: state };
  return { healthy, body: { status: state.status, version, dependencies } };
}

/** Ends in time, also when what is looked at does not. */
async function timed(maxMs: number, look: (signal: AbortSignal) => Promise<void>): Promise<State> {
  const started = performance.now();
  const signal = AbortSignal.timeout(maxMs);
  const late = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => late.reject(signal.reason), { once: true });
  const status = await Promise.race([look(signal), late.promise]).then(
    () => 'healthy' as const,
    () => 'unhealthy' as const,
  );
  const latency_ms = Math.round((performance.now() - started) * 100) / 100;
  return { status, latency_ms };
}
