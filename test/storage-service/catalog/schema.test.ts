import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { ImageFilter } from '../../../src/contract/image.ts';
import { migrate } from '../../../src/storage-service/catalog/sqlite/schema.ts';
import { Lister } from '../../../src/storage-service/catalog/sqlite/search/lister.ts';
import { WriteConnection } from '../../../src/storage-service/catalog/sqlite/threads/write-connection.ts';

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

test('a seeded theme that was deleted does not come back with the next start', () => {
  using db = new DatabaseSync(':memory:');
  const remove = (id: string) => {
    const writes = new WriteConnection(db);
    writes.begin();
    const operation = { operation_id: id, fingerprint: '', deadline: Date.now() + 10_000 };
    const command = { operation: 'delete_theme', name: 'western' } as const;
    const answer = writes.calls.execute(command, operation);
    writes.commit();
    return answer;
  };
  assert.ok('event' in remove('a'));
  assert.equal(db.prepare(`select 1 from themes where name = 'western'`).get(), undefined);
  assert.ok(!('event' in remove('b')));
});

test('a catalog of a newer release is refused and left as it is', () => {
  using db = new DatabaseSync(':memory:');
  migrate(db);
  db.exec('pragma user_version = 999');
  assert.throws(() => migrate(db), /schema version 999.*newer release/);
  assert.equal(db.prepare('pragma user_version').get()?.user_version, 999);
});

test('images of an earlier release are indexed anew by steps, and go on after a death', () => {
  using db = new DatabaseSync(':memory:');
  migrate(db, 4);
  const insert = db.prepare(`
    insert into images (id, type, name, name_key, theme, tags, attributes, visibility, blob,
      source_sha256, content_updated_at, version, created_at, updated_at, deleted_at)
    values (?, 'item', ?, 'old', 'horror', '[]', '{}', 'public', 1, 'a', 0, 1, 0, 0, ?)`);
  db.exec(`insert into blobs values (1, 'a', 1, 'image/png', 1, 1, 1, '', '[]')`);
  const [images, gone] = [5_000, 7];
  for (let i = 1; i <= images; i++) {
    insert.run(
      `i${i}`,
      i % 5 === 0 ? `Bjørn 森のエルフ n${i}n` : `plain ${i}`,
      i === gone * 5 ? 1 : null,
    );
  }
  migrate(db);
  let left = images;
  for (let steps = 0; left > 0; steps++) {
    assert.ok(steps < 20, 'it does not end');
    // Another service each time.
    const writes = new WriteConnection(db);
    writes.begin();
    const next = writes.calls.reindex();
    writes.commit();
    assert.ok(next < left);
    left = next;
  }
  const lister = new Lister(db);
  const count = (filter: ImageFilter) => {
    const seen = lister.list({ ...filter, limit: 200 }, Date.now() + 10_000);
    return seen.items.length;
  };
  for (const q of ['bjorn', 'エルフ']) {
    assert.equal(count({ q: `${q} n5000n` }), 1);
    assert.equal(count({ q: `${q} n${gone * 5}n` }), 0);
    assert.equal(count({ q, deleted: true }), 1);
  }
  const keys = db.prepare('select name_key as key from images where seq in (4, 5)').all();
  assert.deepEqual(
    keys.map(({ key }) => key),
    ['old', 'bjorn 森のエルフ n5n Bjørn 森のエルフ n5n'],
  );
  const settings = db.prepare(`select count(*) as n from settings where name like 'reindex%'`);
  assert.equal(settings.get()?.n, 0);
});
