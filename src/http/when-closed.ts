import type { ServerResponse } from 'node:http';

/**
 * Acts once the response was sent or its client has left, which may be by now: the event is not
 * repeated for who comes late. Returns what takes it back.
 */
export function whenClosed(response: ServerResponse, act: () => void): () => void {
  if (response.closed) act();
  else response.once('close', act);
  return () => response.off('close', act);
}
