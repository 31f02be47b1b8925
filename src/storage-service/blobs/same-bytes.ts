import * as fs from 'node:fs/promises';
import { READ_CHUNK_BYTES, READ_FLAGS } from './file-chunks.ts';

/** Whether both are local files and have the same bytes. Ends at the first chunk that differs. */
export async function sameBytes(one: string, other: string): Promise<boolean> {
  await using first = await fs.open(one, READ_FLAGS);
  await using second = await fs.open(other, READ_FLAGS);
  const [stat, { size }] = await Promise.all([first.stat(), second.stat()]);
  if (!stat.isFile() || stat.size !== size) return false;
  for (let at = 0; at < size; at += READ_CHUNK_BYTES) {
    const length = Math.min(READ_CHUNK_BYTES, size - at);
    const [left, right] = await Promise.all([
      chunkOf(first, at, length),
      chunkOf(second, at, length),
    ]);
    if (!left.equals(right)) return false;
  }
  return true;
}

/** Shorter only where the file was cut meanwhile. */
async function chunkOf(file: fs.FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
