import type { IncomingMessage } from 'node:http';
import { type ErrorCode, ServiceError } from '../contract/errors.ts';
import { CONTENT_MAX_BYTES, WRITE_DEADLINE_MS } from '../contract/limits.ts';

/** What a body may hold beside the file: all texts at their largest, and the lines between. */
const BESIDE_FILE_MAX_BYTES = 1024 * 1024;
export const BODY_MAX_BYTES = CONTENT_MAX_BYTES + BESIDE_FILE_MAX_BYTES;
/** An upload in all: 25 MiB at 2 Mbit/s. */
export const UPLOAD_MAX_MS = 120_000;
/** A sender below this pace over a whole window only holds a slot. */
const PACE_MIN_BYTES_PER_SECOND = 1024;
const PACE_WINDOW_SECONDS = 10;
const TICK_MS = 1_000;

export const tooLarge = () =>
  new ServiceError(
    'content_too_large',
    `The file must be up to ${CONTENT_MAX_BYTES} bytes (25 MiB).`,
  );

/**
 * Watches the body of an upload arrive and be taken, and calls `end` with the reason to give it
 * up: the client left, the body is too large, too slow or too late, or storage too late after it.
 * (The file itself is counted by whoever takes it, to the byte.) Returns what ends the watch.
 */
export function watchUpload(
  request: IncomingMessage,
  end: (reason: ServiceError) => void,
): () => void {
  const started = performance.now();
  const bytesBefore = request.socket.bytesRead;
  let arrivedAt: number | undefined;
  /** Bytes that had arrived at each of the last seconds. */
  let seconds: number[] = [];

  const fault = (): [ErrorCode, string] | undefined => {
    const now = performance.now();
    if (request.complete) {
      arrivedAt ??= now;
      if (now - arrivedAt < WRITE_DEADLINE_MS) return undefined;
      return ['deadline_exceeded', 'The storage did not take the image in time. Try again.'];
    }
    if (now - started >= UPLOAD_MAX_MS) {
      return ['request_timeout', `An upload must arrive within ${UPLOAD_MAX_MS / 1000} seconds.`];
    }
    // While arrived bytes wait for us, the sender is not to blame.
    if (request.readableLength > 0) seconds = [];
    seconds.push(request.socket.bytesRead);
    if (seconds.length <= PACE_WINDOW_SECONDS) return undefined;
    const windowBytes = seconds.at(-1)! - seconds.shift()!;
    if (windowBytes >= PACE_MIN_BYTES_PER_SECOND * PACE_WINDOW_SECONDS) return undefined;
    return ['request_timeout', 'An upload must arrive at 1 KiB a second or faster.'];
  };

  const timer = setInterval(() => {
    if (request.socket.bytesRead - bytesBefore > BODY_MAX_BYTES) end(tooLarge());
    const found = fault();
    if (found) end(new ServiceError(...found));
  }, TICK_MS);
  const closed = () => {
    if (!request.complete) end(new ServiceError('request_timeout', 'The client has gone.'));
  };
  request.on('close', closed);
  return () => {
    clearInterval(timer);
    request.off('close', closed);
  };
}
