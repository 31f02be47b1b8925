import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import type { ImagePage } from '../../../src/contract/image.ts';
import type { Storage, StorageEvent, StorageEvents } from '../../../src/contract/storage.ts';
import { type Api, checkedApi, create } from '../../services/api.ts';
import { startEdge } from '../../services/edge.ts';
import { metricsOf, valueAt, valueIn } from '../../services/metrics.ts';

/** Changes that are heard when the test says so, as those of another service over the hub. */
class ToldEvents implements StorageEvents {
  heard = true;
  readonly #listeners = new Map<(event: StorageEvent) => void, () => void>();

  subscribe(listener: (event: StorageEvent) => void, missed = () => {}): () => void {
    this.#listeners.set(listener, missed);
    return () => this.#listeners.delete(listener);
  }

  tell(image_id: string, version: number): void {
    const data = { image_id, version, theme: 'x', type: 'map' as const, sha256: '', changed: [] };
    this.#tell({ message_id: `${image_id}-${version}`, event_type: 'image.updated', data });
  }

  tellOfTheme(name: string): void {
    this.#tell({ message_id: name, event_type: 'theme.changed', data: { name } });
  }

  miss(): void {
    for (const missed of this.#listeners.values()) missed();
  }

  #tell(event: StorageEvent): void {
    for (const listener of this.#listeners.keys()) listener(event);
  }
}

const events = new ToldEvents();
let asked: string[] = [];
/** Runs when storage has read a page and not answered yet. */
let beforeAnswer = async () => {};
let store: Storage | undefined;
const edge = await startEdge({
  events,
  around: (opened) => {
    store = opened;
    return {
      getImage(id, call) {
        asked.push('image');
        return opened.getImage(id, call);
      },
      async listImages(filter, call) {
        asked.push('list');
        const page = await opened.listImages(filter, call);
        await beforeAnswer();
        return page;
      },
    };
  },
});
after(() => edge.close());
const api: Api = await checkedApi(edge.url);

beforeEach(() => {
  events.heard = true;
  events.miss();
  asked = [];
  beforeAnswer = async () => {};
});

const at = (id: string) => `/api/v2/images/${id}`;
const nameOf = async (id: string) => ((await (await api(at(id))).json()) as { name: string }).name;
const namesIn = async (query: string) => {
  const { items } = (await (await api(`/api/v2/images?${query}`)).json()) as ImagePage;
  return items.map(({ name }) => name);
};
/** As another service would: this edge does not know of it. */
const rename = (image_id: string, name: string) =>
  store!.updateImage({ image_id, patch: { name } }, elsewhere());
const elsewhere = () => ({
  requestId: 'elsewhere',
  operationId: crypto.randomUUID(),
  deadline: Date.now() + 5_000,
  signal: AbortSignal.timeout(5_000),
});

test('what was asked for is answered from memory until a change of it is heard', async () => {
  const { id } = await create(api, { name: 'before', theme: 'kept' });
  const both = async () => [await nameOf(id), ...(await namesIn('theme=kept'))];
  assert.deepEqual(await both(), ['before', 'before']);
  await rename(id, 'after');
  assert.deepEqual(await both(), ['before', 'before']);
  assert.deepEqual(asked, ['image', 'list']);
  events.tell(id, 2);
  assert.deepEqual(await both(), ['after', 'after']);
  assert.equal((await api(at(id), { headers: { 'if-none-match': '"2"' } })).status, 304);
  assert.equal((await api(at(id), { headers: { 'if-match': '"1"' } })).status, 412);
  assert.deepEqual(asked, ['image', 'list', 'image', 'list']);
});

test('a list is kept until a change of a theme is heard', async () => {
  await create(api, { name: 'one', theme: 'steam' });
  assert.deepEqual(await namesIn('theme=boiling'), []);
  await store!.putTheme('steam', { synonyms: ['boiling'] }, elsewhere());
  assert.deepEqual(await namesIn('theme=boiling'), []);
  events.tellOfTheme('steam');
  assert.deepEqual(await namesIn('theme=boiling'), ['one']);
});

test('while changes are not heard, or some were missed, storage is asked', async () => {
  const { id } = await create(api, { name: 'before', theme: 'unheard' });
  const both = async () => [await nameOf(id), ...(await namesIn('theme=unheard'))];
  await both();
  await rename(id, 'after');
  events.heard = false;
  assert.deepEqual(await both(), ['after', 'after']);
  await rename(id, 'again');
  events.heard = true;
  events.miss();
  assert.deepEqual(await both(), ['again', 'again']);
});

test('who changes something here sees it at once, though its event is late', async () => {
  const theme = 'mine';
  const { id } = await create(api, { name: 'first', theme });
  const query = `theme=${theme}&sort=created_at`;
  assert.deepEqual(await namesIn(query), ['first']);
  await create(api, { name: 'second', theme });
  assert.deepEqual(await namesIn(query), ['first', 'second']);
  const body = JSON.stringify({ name: 'changed' });
  const headers = { 'content-type': 'application/json' };
  await api(at(id), { method: 'PATCH', body, headers });
  assert.equal(await nameOf(id), 'changed');
  assert.deepEqual(await namesIn(query), ['changed', 'second']);
  await api(at(id), { method: 'DELETE' });
  assert.equal((await api(at(id))).status, 404);
  assert.deepEqual(await namesIn(query), ['second']);
  const described = JSON.stringify({ display_name: 'Mine', synonyms: ['all of mine'] });
  assert.deepEqual(await namesIn('theme=all%20of%20mine'), []);
  await api(`/api/v2/themes/${theme}`, { method: 'PUT', body: described, headers });
  assert.deepEqual(await namesIn('theme=all%20of%20mine'), ['second']);
});

test('a page that was read before a change and comes after it is not kept', async () => {
  const { id } = await create(api, { name: 'old', theme: 'overtaken' });
  beforeAnswer = async () => {
    beforeAnswer = async () => {};
    await rename(id, 'new');
    events.tell(id, 2);
  };
  assert.deepEqual(await namesIn('theme=overtaken'), ['old']);
  assert.deepEqual(await namesIn('theme=overtaken'), ['new']);
});

test('what is kept is counted', async () => {
  const { id } = await create(api, { theme: 'counted' });
  const count = async () => {
    const text = await metricsOf(edge.url);
    const of = (name: string) => valueIn(text, name) ?? 0;
    return [
      of('dnd_image_cache_requests_total{outcome="miss"}'),
      of('dnd_image_cache_requests_total{outcome="hit"}'),
      of('dnd_list_cache_requests_total{outcome="miss"}'),
      of('dnd_list_cache_requests_total{outcome="hit"}'),
    ];
  };
  const before = await count();
  for (const _ of [1, 2, 3]) {
    await nameOf(id);
    await namesIn('theme=counted');
    assert.equal((await api('/api/v2/images?limit=0')).status, 400);
  }
  const gained = (await count()).map((value, index) => value - before[index]!);
  assert.deepEqual(gained, [1, 2, 1, 2]);
  const bytes = (cache: string) => valueAt(edge.url, `dnd_metadata_cache_bytes{cache="${cache}"}`);
  assert.ok((await bytes('lists'))! > 500);
  assert.ok((await bytes('images'))! > 2_000);
});

test('a list that cannot be answered is an error each time', async () => {
  for (const _ of [1, 2]) {
    assert.equal((await api('/api/v2/images?limit=0')).status, 400);
    assert.equal((await api(at('01890000-0000-7000-8000-000000000000'))).status, 404);
  }
  assert.deepEqual(asked, ['image', 'image']);
});
