import { setTimeout as sleep } from 'node:timers/promises';

/** Some 5 s, and a while for a busy machine. */
const SETTLED_MS = 7_000;

/**
 * To be waited for before a broker is killed; `since` is when its services had joined, or it was
 * resumed (`performance.now()`). RabbitMQ 3.10, killed sooner after it made a quorum queue, never
 * answers for that queue again, and shows nothing by which one could tell.
 */
export async function settledQueue(since: number): Promise<void> {
  await sleep(Math.max(0, since + SETTLED_MS - performance.now()));
}
