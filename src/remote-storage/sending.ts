import { type Hub, HubLostError } from '../hub/hub.ts';

/**
 * Sends until the hub has it, however often that goes away, or so many times; ends with the
 * signal's reason.
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
      if (!(error instanceof HubLostError) || attempt === attemptsMax) throw error;
      await hub.connect(signal);
    }
  }
}
