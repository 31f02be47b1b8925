import type { FastifyBaseLogger } from 'fastify';
import type { Metrics } from '../telemetry/metrics.ts';
import { WATCHED } from './request/watched.ts';

export type Answered = {
  /** As it was registered; undefined where no route has the address. */
  route: string | undefined;
  method: string;
  url: string;
  status: number;
  /** Of the error that was answered. */
  code?: string | undefined;
  milliseconds: number;
  /** Bytes of an image: too many to log each that goes well. */
  delivery: boolean;
  /** Where the logger does not know it. */
  requestId?: string;
};

/** What every answer leaves behind: a line in the log, and its place in the metrics. */
export function recordAnswered(log: FastifyBaseLogger, metrics: Metrics, answered: Answered): void {
  const { route, method, url, status, code, milliseconds, delivery, requestId } = answered;
  const level = status < 400 && (delivery || WATCHED.has(route)) ? 'debug' : 'info';
  const duration_ms = Math.round(milliseconds * 100) / 100;
  log[level]({ request_id: requestId, method, url, status, code, duration_ms }, 'request answered');
  metrics.request(route, method, status, milliseconds / 1000);
}
