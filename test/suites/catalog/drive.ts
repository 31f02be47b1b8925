import { createHash, randomUUID } from 'node:crypto';
import type { Image, ImageFields, ImageFilter } from '../../../src/contract/image.ts';
import { fromJson } from '../../../src/contract/json.ts';
import type { Call } from '../../../src/contract/storage.ts';
import type { Blob, Catalog, Command } from '../../../src/storage-service/catalog/catalog.ts';

/** Of the bytes of every lease, as they were sent. */
export const LEASED_BYTES = 1_000;

/** What the suites ask of a catalog again and again. `opened` gives the catalog under test. */
export function drive(opened: () => Catalog) {
  const write = (command: Command, operation_id: string = randomUUID(), fingerprint = 'f') =>
    opened().write(command, { operation_id, fingerprint, deadline: Date.now() + 10_000 });

  const lease = async (
    operation_id: string,
    text: string = randomUUID(),
    facts: Partial<Blob> = {},
  ) => {
    const blob = blobOf(text, facts);
    await opened().addLease(leaseOf(operation_id, blob.sha256), blob, Date.now() + 10_000);
    return blob;
  };

  const create = async (fields: Partial<ImageFields> = {}, facts: Partial<Blob> = {}) => {
    const operation_id = randomUUID();
    const { sha256 } = await lease(operation_id, randomUUID(), facts);
    const command: Command = {
      operation: 'create_image',
      fields: fieldsOf(fields),
      content: { sha256, size_bytes: LEASED_BYTES, filename: 'a.png' },
    };
    return (await write(command, operation_id)).answer as Image;
  };

  const list = async (filter: ImageFilter) => fromJson(await opened().listImages(filter, call()));

  const names = async (filter: ImageFilter) => {
    const { items } = await list(filter);
    return items.map((item) => item.name);
  };

  /** Every page of a list, in pages of `limit`. */
  const pages = async (filter: ImageFilter, limit: number) => {
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ ...filter, limit, cursor });
      all.push(...page.items.map((item) => item.name));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    return all;
  };

  return { write, lease, create, list, names, pages };
}

export function call(): Call {
  const signal = AbortSignal.timeout(10_000);
  return { requestId: 'test', deadline: Date.now() + 10_000, signal };
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function blobOf(text: string, facts: Partial<Blob>): Blob {
  return {
    sha256: hashOf(text),
    size_bytes: LEASED_BYTES,
    media_type: 'image/png',
    width: 64,
    height: 64,
    pages: 1,
    placeholder: 'AAAA',
    palette: ['#102030'],
    ...facts,
  };
}

export function leaseOf(operation_id: string, sha256: string) {
  const expires_at = Date.now() + 60_000;
  return {
    operation_id,
    sha256,
    source_sha256: sha256,
    source_size_bytes: LEASED_BYTES,
    expires_at,
  };
}

export function fieldsOf(fields: Partial<ImageFields>): ImageFields {
  return { type: 'portrait', name: 'nameless', theme: 'fantasy', ...fields };
}
