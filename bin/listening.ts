import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** A service that listens. */
export type RunningService = { url: string; close(): Promise<void> };

/** Where a server listens that does. */
export function addressOf(server: FastifyInstance): string {
  const { address, family, port } = server.addresses()[0] as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
