import { setTimeout as sleep } from 'node:timers/promises';
import { type Hub, HubLostError, HubRefusedError } from '../hub/hub.ts';

/** Before the second attempt at what was refused; twice as long before each further one. */
const REFUSED_PAUSE_MS = 50;

/**
 * Sends until the hub has it, however often that goes away; ends with the signal's reason. With a
 * number of attempts it ends after so many, and also tries again what the hub refused.
 */
export async function sending(
  hub: Hub,
  signal: AbortSignal,
  send: () => Promise<void>,
  attemptsMax = Number.POSITIVE_INFINITY,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await send();
    } catch (error) {
      const lost = error instanceof HubLostError;
      const refused = error instanceof HubRefusedError && Number.isFinite(attemptsMax);
      if (attempt === attemptsMax || !(lost || refused)) throw error;
      if (lost) await hub.connect(signal);
      else await pause(REFUSED_PAUSE_MS * 2 ** (attempt - 1), signal);
    }
  }
}

/** Ends early with the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
