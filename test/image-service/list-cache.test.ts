import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImagePage } from '../../src/contract/image.ts';
import type { Json } from '../../src/contract/json.ts';
import { ListCache } from '../../src/image-service/caches/list-cache.ts';
import { eventually } from '../services/data-folder.ts';

const heard = { heard: true, subscribe: () => () => {} };
const page = '{"items":[],"next_cursor":null}' as Json<ImagePage>;

test('a page is asked for anew, and takes no room, after its time', async (t) => {
  const lists = new ListCache(heard, { sizeBytes: 10_000, keptMs: 50 });
  t.after(() => lists.close());
  await lists.read('theme=kept', async () => page);
  assert.equal(String(lists.kept('theme=kept')), page);
  assert.ok(lists.load.bytes > page.length);
  await eventually(() => assert.equal(lists.load.bytes, 0));
  assert.equal(lists.kept('theme=kept'), undefined);
});
