import type { FastifyInstance } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { WATCHED } from './watched.ts';

/** What `RATE_LIMIT` counts in. */
const WINDOW_MS = 60_000;
/** Clients remembered; whoever comes after so many others begins anew (about 2 MB). */
const CLIENTS_MAX = 10_000;

/**
 * At most so many requests of one client a minute; headers of the answers tell how many are left. A
 * client is an address; of IPv6 a network of 64 bits, as a host has a whole one.
 */
export async function limitRate(server: FastifyInstance, perMinute: number): Promise<void> {
  if (perMinute === 0) return;
  // Only now: it is off as a rule, and a start should not wait for it.
  const { default: rateLimit } = await import('@fastify/rate-limit');
  await server.register(rateLimit, {
    max: perMinute,
    timeWindow: WINDOW_MS,
    cache: CLIENTS_MAX,
    enableDraftSpec: true,
    // Whoever watches the service must see it also while it refuses.
    allowList: ({ routeOptions }) => WATCHED.has(routeOptions.url),
    errorResponseBuilder: (_request, { ttl }) => {
      const seconds = Math.ceil(ttl / 1000);
      const message = `More than ${perMinute} requests came within a minute; go on in ${seconds} s.`;
      return new ServiceError('rate_limited', message);
    },
  });
}
