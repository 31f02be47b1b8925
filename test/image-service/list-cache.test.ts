import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImagePage } from '../../src/contract/image.ts';
import type { Json } from '../../src/contract/json.ts';
import { ListCache } from '../../src/image-service/caches/list-cache.ts';
import { parseListQuery } from '../../src/image-service/request/query.ts';
import { eventually } from '../services/data-folder.ts';

const heard = { heard: true, subscribe: () => () => {} };
const page = '{"items":[],"next_cursor":null}' as Json<ImagePage>;

test('a page is asked for anew, and takes no room, after its time', async (t) => {
  const lists = new ListCache(heard, { sizeBytes: 10_000, keptMs: 50 });
  t.after(() => lists.close());
  await lists.read('theme=kept', { theme: ['kept'] }, async () => page);
  assert.equal(String(lists.kept('theme=kept')), page);
  assert.ok(lists.load.bytes > page.length);
  await eventually(() => assert.equal(lists.load.bytes, 0));
  assert.equal(lists.kept('theme=kept'), undefined);
});

test('queries that mean the same share a page, and others never do', async (t) => {
  const lists = new ListCache(heard, { sizeBytes: 10_000 });
  t.after(() => lists.close());
  const read = async (query: string) => {
    const own = async () => JSON.stringify({ items: [], next_cursor: query }) as Json<ImagePage>;
    return String(lists.kept(query) ?? (await lists.read(query, parseListQuery(query), own)));
  };
  const first = await read('theme=high_fantasy&tag=elf,ranger');
  for (const same of [
    'tag=ranger&tag=Elf&theme=High%20Fantasy',
    'theme=HIGH-FANTASY&tag=elf&tag=ranger&q=&deleted=False&limit=50',
  ]) {
    assert.equal(await read(same), first);
    assert.equal(await read(same), first);
  }
  const others = ['tag=elf&tag=ranger', 'theme=high_fantasy&tag=elf', 'q=elf', 'attr.q=elf', ''];
  const pages = await Promise.all([...others, 'deleted=true', 'limit=3'].map(read));
  assert.equal(new Set([...pages, first]).size, 8);
  // A query is not mistaken for the filter of another.
  assert.equal(lists.kept('{"q":"elf"}'), undefined);
});
