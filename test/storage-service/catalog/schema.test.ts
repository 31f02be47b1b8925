import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { migrate } from '../../../src/storage-service/catalog/sqlite/schema.ts';

test('a catalog of the first version goes on with the bytes that it had leased', () => {
  using db = new DatabaseSync(':memory:');
  migrate(db, 1);
  db.exec(`
    insert into blobs values (1, 'a', 1, 'image/png', 1, 1, 1, '', '[]');
    insert into leases values ('waits', 1, 'a', 700, 0, 0), ('kept', 1, '', 50, 1, 0);`);
  migrate(db);
  const unclaimed = () =>
    db.prepare(`select value from settings where name = 'unclaimed_bytes'`).get()?.value;
  assert.equal(unclaimed(), 700);
  db.exec(`insert into leases values ('more', 1, 'a', 30, 0, 0)`);
  assert.equal(unclaimed(), 730);
  db.exec('delete from leases');
  assert.equal(unclaimed(), 0);
});

test('a catalog of a newer release is refused and left as it is', () => {
  using db = new DatabaseSync(':memory:');
  migrate(db);
  db.exec('pragma user_version = 999');
  assert.throws(() => migrate(db), /schema version 999.*newer release/);
  assert.equal(db.prepare('pragma user_version').get()?.user_version, 999);
});
