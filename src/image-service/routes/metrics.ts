import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Metrics } from '../../telemetry/metrics.ts';
import { problems, text } from './answers.ts';

/** What Prometheus asks for. */
export async function metricsRoutes(
  scope: FastifyInstance,
  { metrics }: { metrics: Metrics },
): Promise<void> {
  scope.get('/metrics', { schema: METRICS }, async (_request, reply) => {
    const values = await metrics.text();
    return reply.header('cache-control', 'no-store').type(metrics.contentType).send(values);
  });
}

const METRICS = {
  operationId: 'getMetrics',
  tags: ['health'],
  summary: 'What the service counted and measured, for Prometheus',
  response: {
    ...problems(['internal']),
    200: text(Type.String(), 'the text format of Prometheus'),
  },
};
