import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { ServiceError } from '../../../src/contract/errors.ts';
import type { Image, ImageFields, ImageFilter } from '../../../src/contract/image.ts';
import type { Command } from '../../../src/storage-service/catalog/catalog.ts';
import { Lister } from '../../../src/storage-service/catalog/sqlite/search/lister.ts';
import { WriteConnection } from '../../../src/storage-service/catalog/sqlite/threads/write-connection.ts';
import { blobOf, fieldsOf, LEASED_BYTES, leaseOf } from '../../suites/catalog/drive.ts';

export const START = Date.UTC(2026, 10, 28);

/** A catalog in the thread of the test, which sets its clock. */
export function catalogInThread(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'], now: START });
  const db = new DatabaseSync(':memory:');
  t.after(() => db.close());
  const behind: number[] = [];
  const open = () => new WriteConnection(db, (ms) => behind.push(ms));
  let writes = open();
  const inTransaction = <T>(work: () => T, end: 'commit' | 'undo' = 'commit'): T => {
    writes.begin();
    try {
      const answer = work();
      writes[end]();
      return answer;
    } catch (error) {
      writes.undo();
      throw error;
    }
  };
  const execute = (command: Command, id = randomUUID(), deadline = Number.MAX_SAFE_INTEGER) => {
    const operation = { operation_id: id, fingerprint: 'f', deadline };
    const written = writes.calls.execute(command, operation);
    if (written instanceof ServiceError) throw written;
    return written.answer as Image;
  };
  const create = (fields: Partial<ImageFields> = {}, end?: 'commit' | 'undo') =>
    inTransaction(() => {
      const id = randomUUID();
      const blob = blobOf(id, {});
      writes.calls.addLease(leaseOf(id, blob.sha256), blob, Number.MAX_SAFE_INTEGER);
      const content = { sha256: blob.sha256, size_bytes: LEASED_BYTES, filename: null };
      return execute({ operation: 'create_image', fields: fieldsOf(fields), content }, id);
    }, end);
  const remove = (image_id: string) =>
    inTransaction(() => execute({ operation: 'delete_image', image_id, if_version: null }));
  const lister = new Lister(db);
  const list = (filter: ImageFilter) => lister.list(filter, Number.MAX_SAFE_INTEGER);
  const pages = (filter: ImageFilter, limit: number) => {
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = list({ ...filter, limit, cursor });
      names.push(...page.items.map(({ name }) => name));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    return names;
  };
  const restart = () => {
    writes = open();
  };
  const clock = (ms: number) => t.mock.timers.setTime(ms);
  const upkeep = <T>(work: (calls: WriteConnection['calls']) => T) =>
    inTransaction(() => work(writes.calls));
  return { db, behind, execute, create, remove, list, pages, restart, clock, upkeep };
}
