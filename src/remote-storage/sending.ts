import { type Hub, HubLostError } from '../hub/hub.ts';

/** Sends until the hub has it, however often that goes away; ends with the signal's reason. */
export async function sending(
  hub: Hub,
  signal: AbortSignal,
  send: () => Promise<void>,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof HubLostError)) throw error;
      await hub.connect(signal);
    }
  }
}
