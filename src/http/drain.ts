import type { IncomingMessage } from 'node:http';

/** What is still read of a body that was refused, so that its sender comes to read the answer. */
const DRAIN_MAX_BYTES = 32 * 1024 * 1024;
const DRAIN_MAX_MS = 5_000;

/**
 * Reads on after a refusal, within bounds, then cuts the connection. Closing at once would reset
 * it, and most clients that are still sending would lose the answer (RFC 9112, 9.6).
 */
export function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const cut = () => request.socket.destroy();
  const timer = setTimeout(cut, DRAIN_MAX_MS);
  let left = DRAIN_MAX_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) cut();
  });
  request.once('close', () => clearTimeout(timer));
  request.resume();
}
