import { Connection } from 'rabbitmq-client';
import { FRAME_MAX_BYTES } from './bounded-frames.ts';
import './bounded-headers.ts';
import { inTime } from './in-time.ts';

/** A peer that is silent for four half heartbeats is gone: health is true within five seconds. */
export const HEARTBEAT_SECONDS = 2;
const CONNECT_MAX_MS = 5_000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 1_000;
/** How long the broker may take to agree to an end, of whatever. */
export const CLOSE_MAX_MS = 1_000;

/** A connection that is made anew whenever it is lost. `url` as in MESSAGE_HUB_URL. */
export function openConnection(url: string, name: string): Connection {
  return new Connection({
    url: withUser(url),
    connectionName: name,
    heartbeat: HEARTBEAT_SECONDS,
    connectionTimeout: CONNECT_MAX_MS,
    acquireTimeout: CONNECT_MAX_MS,
    retryLow: RECONNECT_MIN_MS,
    retryHigh: RECONNECT_MAX_MS,
    frameMax: FRAME_MAX_BYTES,
  });
}

/** In order if the broker goes along, which the library awaits of every channel; else at once. */
export async function closeConnection(connection: Connection): Promise<void> {
  await inTime(connection.close(), CLOSE_MAX_MS).catch(() => connection.unsafeDestroy());
}

/** Without a user RabbitMQ's own default is meant; the library would log in as nobody. */
function withUser(address: string): string {
  const url = new URL(address);
  if (!url.username && !url.password) Object.assign(url, { username: 'guest', password: 'guest' });
  return url.href;
}
