import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Edit } from '../inspector.ts';

/** Copies a file to a new one while it leaves out and puts in what the edits say. */
export async function applyEdits(
  from: string,
  to: string,
  edits: readonly Edit[],
  signal?: AbortSignal,
): Promise<void> {
  const sink = createWriteStream(to, { flags: 'wx' });
  await pipeline(editedBytes(from, edits), sink, { signal });
}

/** The bytes of the file with its edits applied; they must be in order and must not overlap. */
export async function* editedBytes(
  path: string,
  edits: readonly Edit[],
): AsyncGenerator<Uint8Array, void> {
  let at = 0;
  for (const { offset, length, replacement } of edits) {
    if (offset > at) yield* createReadStream(path, { start: at, end: offset - 1 });
    if (replacement.length > 0) yield replacement;
    at = offset + length;
  }
  yield* createReadStream(path, { start: at });
}
