import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { created } from '../../../src/storage-service/catalog/change.ts';
import { migrate } from '../../../src/storage-service/catalog/sqlite/schema.ts';
import { SearchIndex } from '../../../src/storage-service/catalog/sqlite/search/search-index.ts';
import { Statements } from '../../../src/storage-service/catalog/sqlite/statements.ts';

const MANY = 4_000;

test('new words do not pile up when a transaction that had put them in order is undone', () => {
  using db = new DatabaseSync(':memory:');
  migrate(db);
  const index = new SearchIndex(new Statements(db));
  const count = (table: string) => db.prepare(`select count(*) as n from ${table}`).get()?.n;
  const commit = (seq: number, description: string, end = 'commit') => {
    db.exec('begin');
    index.add(index.prepare(seq, imageOf(description), undefined));
    index.write();
    db.exec(end);
    if (end === 'rollback') index.undone();
  };
  commit(1, 'waits');
  assert.equal(count('words'), 0);
  const words = Array.from({ length: MANY }, (_, number) => `word${number}`).join(' ');
  commit(2, words, 'rollback');
  assert.equal(count('words'), 0);
  assert.ok(Number(count('new_words')) > 0);
  commit(3, 'next');
  assert.equal(count('new_words'), 0);
  assert.ok(db.prepare(`select 1 from words where word = 'waits'`).get());
});

function imageOf(description: string) {
  const content = {
    sha256: '0'.repeat(64),
    source_sha256: '0'.repeat(64),
    size_bytes: 1,
    media_type: 'image/png',
    width: 1,
    height: 1,
    pages: 1,
    placeholder: '',

    filename: null,
  } as const;
  const fields = { type: 'portrait', name: 'x', theme: 'horror', description } as const;
  const now = '2026-01-31T18:00:00.000Z';
  const id = '019d4a6e-7f0b-7c31-9a55-2f6f0c1b7e10';
  return created(fields, { ...content, palette: [] }, { id, now }).image;
}
