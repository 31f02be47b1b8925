import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Command } from '../../../src/storage-service/catalog/catalog.ts';
import { blobOf, fieldsOf, LEASED_BYTES, leaseOf } from '../../suites/catalog/drive.ts';
import { catalogInThread, START } from './catalog-in-thread.ts';

/** Calls that reached the thread in time and were late when their turn came. */

test('a lease whose deadline has passed is not made', (t) => {
  const { db, upkeep } = catalogInThread(t);
  const blob = blobOf('late', {});
  const add = (deadline: number) =>
    upkeep((calls) => calls.addLease(leaseOf(randomUUID(), blob.sha256), blob, deadline));
  assert.throws(() => add(START - 1), { code: 'deadline_exceeded' });
  for (const table of ['leases', 'blobs']) {
    assert.equal(db.prepare(`select count(*) as n from ${table}`).get()?.n, 0);
  }
});

test('a command whose deadline has passed changes nothing, and its bytes may still be claimed', (t) => {
  const { db, execute, upkeep, list, clock } = catalogInThread(t);
  const id = randomUUID();
  const blob = blobOf('late', {});
  const content = { sha256: blob.sha256, size_bytes: LEASED_BYTES, filename: null };
  const command: Command = { operation: 'create_image', fields: fieldsOf({}), content };
  const run = (deadline: number) => upkeep(() => execute(command, id, deadline));
  upkeep((calls) => calls.addLease(leaseOf(id, blob.sha256), blob, START));
  clock(START + 2);
  assert.throws(() => run(START + 1), { code: 'deadline_exceeded' });
  assert.deepEqual(list({}).items, []);
  for (const table of ['operations', 'events']) {
    assert.equal(db.prepare(`select count(*) as n from ${table}`).get()?.n, 0);
  }
  const { id: made } = run(START + 2);
  assert.deepEqual(
    list({}).items.map((image) => image.id),
    [made],
  );
  // What was done is told, however late: to say that nothing changed would be wrong.
  assert.equal(run(START + 1).id, made);
});

test('a lease ends at its time and not before', (t) => {
  const { db, upkeep } = catalogInThread(t);
  const blob = blobOf('leased', {});
  const lease = { ...leaseOf(randomUUID(), blob.sha256), expires_at: START + 10 };
  upkeep((calls) => calls.addLease(lease, blob, START));
  const forgotten = (now: number) => upkeep((calls) => calls.forgetBlob(blob.sha256, now));
  assert.equal(forgotten(START + 9), false);
  assert.equal(db.prepare('select count(*) as n from leases').get()?.n, 1);
  assert.equal(forgotten(START + 10), true);
});
