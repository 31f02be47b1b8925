import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Every chunk of an upload is a buffer of its own that dies within milliseconds, but V8 sees the
 * little object and not the 64 KiB behind it. Left to itself it collects when all buffers together
 * reach a limit, and then the whole heap: after every third upload of 5 MB, a sixth of the upload's
 * CPU, and 60 MB of dead buffers. A collection of the young objects alone frees them for a
 * millisecond or two. Half as often frees as much but lets more lie; twice as often meets chunks
 * that still live, which then grow old (bench/questions/uploads.ts, memory.ts).
 */
const COLLECT_EVERY_BYTES = 32 * 1024 * 1024;

type Collect = (options: { type: 'minor' }) => void;

let collect: Collect | undefined;
let received = 0;

/** To be told of every chunk that streams through. */
export function chunkReceived(bytes: number): void {
  received += bytes;
  if (received < COLLECT_EVERY_BYTES) return;
  received = 0;
  collect ??= exposed();
  collect({ type: 'minor' });
}

/** https://nodejs.org/api/v8.html#v8setflagsfromstringflags: a new context shows what a flag exposes. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
