import type { FastifyInstance, FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Storage } from '../../contract/storage.ts';
import { json, problems } from './answers.ts';

/** A dependency that has not answered by then is unhealthy. */
const PROBE_MAX_MS = 2_000;

const State = Type.Enum(['healthy', 'unhealthy']);
const Dependency = Type.Object({
  status: State,
  latency_ms: Type.Number(),
  mode: Type.Optional(Type.String({ description: 'in_process: the dependency is part of this' })),
});
const Health = Type.Object({
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  version: Type.String(),
  dependencies: Type.Object({ message_hub: Dependency, storage: Dependency }),
});
const Liveness = Type.Object({ status: State });

export type DependencyHealth = Static<typeof Dependency>;

export type HealthDependencies = {
  storage: Storage;
  version: string;
  messageHub: () => Promise<DependencyHealth>;
  /** What a storage of another process says of itself; absent: it is asked whether it answers. */
  storageHealth?: () => Promise<DependencyHealth>;
};

/** Whether the service works: for people, for whoever restarts it, for whoever sends it requests. */
export async function healthRoutes(
  scope: FastifyInstance,
  { storage, version, messageHub, storageHealth }: HealthDependencies,
): Promise<void> {
  scope.get('/health', { schema: HEALTH }, async (request, reply) => {
    const [hub, state] = await Promise.all([
      probe(messageHub),
      probe(storageHealth ?? (() => stateOf(request.id))),
    ]);
    const dependencies = { message_hub: hub, storage: state };
    const working = Object.values(dependencies).filter(({ status }) => status === 'healthy').length;
    const status = (['unhealthy', 'degraded', 'healthy'] as const)[working]!;
    answer(reply, status !== 'unhealthy', { status, version, dependencies });
    return reply;
  });

  scope.get('/health/live', { schema: LIVE }, (_request, reply) => {
    answer(reply, true, { status: 'healthy' });
  });

  scope.get('/health/ready', { schema: READY }, async (request, reply) => {
    const { status } = await probe(() => ping(request.id));
    answer(reply, status === 'healthy', { status });
    return reply;
  });

  async function ping(requestId: string): Promise<DependencyHealth> {
    await pong(requestId);
    return { status: 'healthy', latency_ms: 0 };
  }

  async function stateOf(requestId: string): Promise<DependencyHealth> {
    const { degraded } = await pong(requestId);
    return { status: degraded ? 'unhealthy' : 'healthy', latency_ms: 0 };
  }

  function pong(requestId: string) {
    const signal = AbortSignal.timeout(PROBE_MAX_MS);
    return storage.ping({ requestId, deadline: Date.now() + PROBE_MAX_MS, signal });
  }
}

/** What a dependency says of itself, with the time it took; no answer in time is unhealthy. */
async function probe(look: () => Promise<DependencyHealth>): Promise<DependencyHealth> {
  const started = performance.now();
  const late = Promise.withResolvers<DependencyHealth>();
  const timer = setTimeout(
    () => late.resolve({ status: 'unhealthy', latency_ms: PROBE_MAX_MS }),
    PROBE_MAX_MS,
  );
  const failed = (): DependencyHealth => ({ status: 'unhealthy', latency_ms: 0 });
  const seen = await Promise.race([look().catch(failed), late.promise]);
  clearTimeout(timer);
  const taken = Math.round((performance.now() - started) * 100) / 100;
  return { ...seen, latency_ms: seen.latency_ms || taken };
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
  summary: 'Whether requests can be served',
  response: {
    ...problems(['internal']),
    200: json(Liveness, 'they can'),
    503: json(Liveness, 'they cannot, for now'),
  },
};
