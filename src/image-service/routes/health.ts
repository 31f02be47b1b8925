import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { DependencyHealth, HEALTH_STATES } from '../../contract/health.ts';
import type { Call, Storage } from '../../contract/storage.ts';
import { probed, requireWritable } from '../../http/probed.ts';
import { json, problems } from './answers.ts';

/** A dependency that has not answered by then is unhealthy. */
const PROBE_MAX_MS = 2_000;

const State = Type.Enum([...HEALTH_STATES]);
const Health = Type.Object({
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  version: Type.String(),
  dependencies: Type.Object({ message_hub: DependencyHealth, storage: DependencyHealth }),
});
const Liveness = Type.Object({
  status: State,
  service: Type.Literal('image_service'),
});
const Readiness = Type.Object({
  status: State,
  reason: DependencyHealth.properties.reason,
  detail: DependencyHealth.properties.detail,
});

export type HealthDependencies = {
  storage: Storage;
  version: string;
  messageHub: () => Promise<DependencyHealth>;
  /** What a storage of another process says of itself; absent: it is asked whether it answers. */
  storageHealth?: () => Promise<DependencyHealth>;
  /** Fails where a storage of another process cannot be read from here, although it answers. */
  storageAccess?: (call: Call) => Promise<void>;
};

/** Whether the service works: for people, for whoever restarts it, for whoever sends it requests. */
export async function healthRoutes(
  scope: FastifyInstance,
  { storage, version, messageHub, storageHealth, storageAccess }: HealthDependencies,
): Promise<void> {
  scope.get('/health', { schema: HEALTH }, async (request, reply) => {
    const [hub, state] = await Promise.all([
      bounded(messageHub),
      storageHealth
        ? bounded(storageHealth)
        : probed(PROBE_MAX_MS, async (signal) =>
            requireWritable(await storage.ping(callOf(request.id, signal))),
          ),
    ]);
    const dependencies = { message_hub: hub, storage: state };
    const working = Object.values(dependencies).filter(({ status }) => status === 'healthy').length;
    const status = (['unhealthy', 'degraded', 'healthy'] as const)[working]!;
    answer(reply, status !== 'unhealthy', { status, version, dependencies });
    return reply;
  });

  scope.get('/health/live', { schema: LIVE }, (_request, reply) => {
    answer(reply, true, { status: 'healthy', service: 'image_service' });
  });

  scope.get('/health/ready', { schema: READY }, async (request, reply) => {
    const { status, reason, detail } = await probed(PROBE_MAX_MS, (signal) => {
      const call = callOf(request.id, signal);
      return Promise.all([storage.ping(call), storageAccess?.(call)]);
    });
    answer(reply, status === 'healthy', { status, reason, detail });
    return reply;
  });
}

function callOf(requestId: string, signal: AbortSignal): Call {
  return { requestId, deadline: Date.now() + PROBE_MAX_MS, signal };
}

/** What a dependency says of itself; no answer in time is unhealthy. */
async function bounded(look: () => Promise<DependencyHealth>): Promise<DependencyHealth> {
  let seen: DependencyHealth | undefined;
  const outside = await probed(PROBE_MAX_MS, async () => {
    seen = await look();
  });
  return seen && outside.status === 'healthy' ? seen : outside;
}

function answer(reply: FastifyReply, well: boolean, body: object): void {
  reply
    .code(well ? 200 : 503)
    .header('cache-control', 'no-store')
    .send(body);
}

const HEALTH = {
  operationId: 'getHealth',
  tags: ['health'],
  summary: 'The service and what it depends on',
  response: {
    ...problems(['internal']),
    200: json(Health, 'healthy, or degraded: one of the two does not work'),
    503: json(Health, 'unhealthy'),
  },
};
const LIVE = {
  operationId: 'getLiveness',
  tags: ['health'],
  summary: 'Whether the process works',
  response: { ...problems(['internal']), 200: json(Liveness, 'it works') },
};
const READY = {
  operationId: 'getReadiness',
  tags: ['health'],
  summary: 'Whether images can be read',
  response: {
    ...problems(['internal']),
    200: json(Readiness, 'they can'),
    503: json(Readiness, 'they cannot, for now'),
  },
};
