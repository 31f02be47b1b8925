import { Readable } from 'node:stream';
import type { Content } from '../contract/storage.ts';

/** Frees what an unread content holds open. A stream's iterator would not: it has not begun yet. */
export async function release({ bytes }: Content): Promise<void> {
  if (bytes instanceof Readable) bytes.destroy();
  else await bytes[Symbol.asyncIterator]().return?.();
}
