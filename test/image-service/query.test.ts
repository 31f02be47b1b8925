import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceError } from '../../src/contract/errors.ts';
import { parseListQuery } from '../../src/image-service/request/query.ts';

const faulty = (query: string): string[] => {
  try {
    parseListQuery(query);
  } catch (thrown) {
    assert.ok(thrown instanceof ServiceError);
    assert.equal(thrown.code, 'invalid_request');
    return thrown.errors.map(({ field }) => field);
  }
  return [];
};

test('texts become numbers, truth and lists', () => {
  const query = 'type=map&type=token&tag=Elf&limit=20&min_width=64&deleted=true&q=dark%20elf';
  assert.deepEqual(parseListQuery(query), {
    type: ['map', 'token'],
    tag: ['elf'],
    limit: 20,
    min_width: 64,
    deleted: true,
    q: 'dark elf',
  });
});

test('attribute filters collect their values by key', () => {
  const { attr } = parseListQuery('attr.artist=Hildr&attr.artist=Kai&attr.x.y=1');
  assert.deepEqual(attr, { artist: ['Hildr', 'Kai'], 'x.y': ['1'] });
});

test('what a form leaves empty is absent', () => {
  const names = 'type,subtype,theme,tag,source_type,source_id,owner,format,visibility,q,min_width';
  const more = 'min_height,created_after,created_before,deleted,sort,limit,cursor';
  const query = `${names},${more}`.split(',').map((name) => `${name}=&${name}=%20`);
  assert.deepEqual(parseListQuery(query.join('&')), {});
  assert.deepEqual(parseListQuery('limit=&limit=3&q=&sort=name'), { sort: 'name', limit: 3 });
  assert.deepEqual(parseListQuery('attr.note='), { attr: { note: [''] } });
});

test('tags are listed as in uploads', () => {
  for (const query of [
    'tag=Elf,ranger',
    'tag=elf&tag=ranger',
    'tag=ranger%2C%20elf,',
    'tag=["elf","ranger"]',
  ]) {
    assert.deepEqual(parseListQuery(query).tag, ['elf', 'ranger'], query);
  }
  assert.deepEqual(parseListQuery('tag="a,b"').tag, ['a,b']);
  assert.deepEqual(parseListQuery('tag=[x').tag, ['[x']);
});

test('a parameter that is nearly right is named', () => {
  assert.throws(() => parseListQuery('tags=elf'), /did you mean tag\?/);
  assert.throws(() => parseListQuery('crusor=x'), /did you mean cursor\?/);
});

test('unknown and repeated parameters are named, all at once', () => {
  assert.deepEqual(faulty('foo=1&limit=1&limit=2&bar='), ['foo', 'limit', 'bar']);
  assert.deepEqual(faulty('toString=1&__proto__=2'), ['toString', '__proto__']);
});

test('values out of range or of another kind are named', () => {
  for (const query of ['limit=0', 'limit=201', 'limit=ten', 'limit=1.5', 'limit=1e2']) {
    assert.deepEqual(faulty(query), ['limit'], query);
  }
  assert.deepEqual(faulty('deleted=yes'), ['deleted']);
  assert.deepEqual(faulty('format=svg'), ['format']);
  assert.deepEqual(faulty('created_after=2026-01-01'), ['created_after']);
  assert.deepEqual(faulty('attr.__proto__=1'), ['attr']);
  assert.deepEqual(faulty('attr.=1'), ['attr']);
  assert.deepEqual(faulty('q=x&sort=name'), ['sort']);
});
