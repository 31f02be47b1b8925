import { randomUUID } from 'node:crypto';
import { type DependencyHealth, HEALTH_REASONS, HealthError } from '../contract/health.ts';
import type { Call, Storage } from '../contract/storage.ts';
import { probed, requireWritable } from '../http/probed.ts';
import type { Hub } from '../hub/hub.ts';
import type { ContentClient, Probe } from './content-client.ts';
import { NO_CONTENT } from './no-content.ts';

/** A part that has not answered by then does not work. */
const PROBE_MAX_MS = 2_000;
/** Shorter, so that a storage whose hub hangs says so before whoever asks gives it up. */
const OWN_PROBE_MAX_MS = 1_000;

type Health = { healthy: boolean; body: object };

/** Connected, and a round trip in time. */
export async function hubHealth(hub: Hub, maxMs = PROBE_MAX_MS): Promise<DependencyHealth> {
  return probed(maxMs, () => hub.ping());
}

/** What a Storage Service says of its state, and whether it lets this service to its content. */
export async function storageHealth(contents: ContentClient): Promise<DependencyHealth> {
  return probed(PROBE_MAX_MS, async (signal) => {
    const call = callUntil(PROBE_MAX_MS, signal);
    await requireContent(contents, call);
    requireHealthy(await contents.probe('health', call));
  });
}

/**
 * Fails unless a Storage Service answers and accepts the token: content that certainly is not there is
 * asked for, which costs nothing. What answers is known before it is asked for its health, because an
 * Image Service would ask on.
 */
export async function requireContent(contents: ContentClient, call: Call): Promise<void> {
  const [live, content] = await Promise.all([
    contents.probe('health/live', call),
    contents.probe(`content/${NO_CONTENT}`, call),
  ]);
  if (field(live, 'service') === 'image_service') {
    throw new HealthError(
      'wrong_service',
      'STORAGE_SERVICE_URL is the address of an Image Service, not of the Storage Service.',
    );
  }
  if (content.status === 401 || content.status === 403) {
    throw new HealthError(
      'wrong_token',
      'The Storage Service refuses the token: STORAGE_SERVICE_TOKEN must be the same for both services.',
    );
  }
  // One that is overloaded or fails says so of itself.
  if (content.status !== 404 && content.status < 500) throw wrongService();
}

/** The health of a Storage Service: its state decides; the hub is told beside it. */
export async function stateHealth(storage: Storage, hub: Hub, version: string): Promise<Health> {
  let readable = false;
  const [state, message_hub] = await Promise.all([
    probed(OWN_PROBE_MAX_MS, async (signal) => {
      const pong = await storage.ping(callUntil(OWN_PROBE_MAX_MS, signal));
      readable = true;
      requireWritable(pong);
    }),
    hubHealth(hub, OWN_PROBE_MAX_MS),
  ]);
  const status = state.status === 'unhealthy' && readable ? 'degraded' : state.status;
  const dependencies = { message_hub, storage: state };
  return { healthy: status !== 'unhealthy', body: { status, version, dependencies } };
}

/** Whether the state can be read. */
export async function stateReadiness(storage: Storage): Promise<Health> {
  const { status, reason, detail } = await probed(OWN_PROBE_MAX_MS, (signal) =>
    storage.ping(callUntil(OWN_PROBE_MAX_MS, signal)),
  );
  return { healthy: status === 'healthy', body: { status, reason, detail } };
}

function requireHealthy(probe: Probe): void {
  const status = field(probe, 'status');
  if (status === 'healthy' || status === 'ready') return;
  if (typeof status !== 'string') throw wrongService();
  const { dependencies } = probe.body as { dependencies?: { storage?: Partial<DependencyHealth> } };
  const { reason, detail } = dependencies?.storage ?? {};
  if (reason !== undefined && HEALTH_REASONS.includes(reason)) {
    throw new HealthError(reason, String(detail ?? 'The Storage Service says so of its state.'));
  }
  throw new HealthError('storage_unavailable', 'The Storage Service says that it does not work.');
}

function field({ body }: Probe, name: string): unknown {
  return (body as Record<string, unknown> | null | undefined)?.[name];
}

function wrongService(): HealthError {
  const message = 'What answers at the address in STORAGE_SERVICE_URL is not a Storage Service.';
  return new HealthError('wrong_service', message);
}

function callUntil(maxMs: number, signal: AbortSignal): Call {
  return { requestId: randomUUID(), deadline: Date.now() + maxMs, signal };
}
