import type { IncomingMessage } from 'node:http';
import { withholdContinue } from './continue-when-read.ts';

/** What is still read of a body that was refused, so that its sender comes to read the answer. */
const DRAIN_MAX_BYTES = 32 * 1024 * 1024;
const DRAIN_MAX_MS = 5_000;

/**
 * Reads on after a refusal, within bounds, then cuts the connection. Closing at once would reset
 * it, and most clients that are still sending would lose the answer (RFC 9112, 9.6).
 */
export function drain(request: IncomingMessage): void {
  withholdContinue(request);
  if (request.complete || request.destroyed) return;
  const { socket } = request;
  // Not only the socket: with the answer out, Node no longer tells the request of its end.
  const cut = () => request.destroy();
  const timer = setTimeout(cut, DRAIN_MAX_MS);
  let left = DRAIN_MAX_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) cut();
  });
  socket.once('close', cut);
  const restore = keepReadable(socket);
  request.once('close', () => {
    clearTimeout(timer);
    socket.off('close', cut);
    restore();
  });
  // Whoever took the body pauses it when letting go, and while its own buffer is full.
  request.on('pause', () => process.nextTick(readOn, request));
  request.resume();
}

function readOn(request: IncomingMessage): void {
  request.unpipe();
  request.resume();
}

/**
 * After an answer with `Connection: close` Node calls `destroySoon`, whatever is still to be read:
 * until restored, that ends our side only. The sender has the whole answer at once either way.
 */
function keepReadable(socket: IncomingMessage['socket']): () => void {
  socket.destroySoon = () => socket.end();
  return () => {
    Reflect.deleteProperty(socket, 'destroySoon');
    if (socket.writableEnded) socket.destroySoon();
  };
}
