import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Image, ImagePage } from '../../../src/contract/image.ts';
import { create, form, png } from '../../services/api.ts';
import { type RunningService, startService } from '../../services/service.ts';

/** A proxy may pass the base path on, or remove it; both reach the same service. */

let service: RunningService;
before(async () => {
  service = await startService({ BASE_PATH: '/the.art' });
});
after(() => service?.close());

const get = (path: string) => fetch(service.url + path, { redirect: 'manual' });
const create_ = (fields?: Record<string, string>) =>
  create((path, init) => fetch(service.url + path, init), fields);

test('every answer that holds an image names its content below the base path', async () => {
  const url = `${service.url}/the.art/api/v2/images`;
  const body = form(['image', await png()], ['type', 'map'], ['name', 'Inn'], ['theme', 'noir']);
  const created = await fetch(url, { method: 'POST', body });
  const image = (await created.json()) as Image;
  const expected = `/the.art/api/v2/images/${image.id}/content?v=`;
  assert.ok(image.content.url.startsWith(expected), image.content.url);
  assert.equal(created.headers.get('location'), `/the.art/api/v2/images/${image.id}`);

  const json = { 'content-type': 'application/json' };
  const one = `${url}/${image.id}`;
  const answers = [
    await fetch(one),
    await fetch(one, { method: 'PATCH', headers: json, body: '{"name":"Tavern"}' }),
    await fetch(one, { method: 'PUT', headers: json, body: JSON.stringify(image) }),
    await fetch(`${one}/content`, { method: 'PUT', body: form(['image', await png()]) }),
    await fetch(`${one}/restore`, { method: 'POST' }),
  ];
  for (const answer of answers) {
    const { content } = (await answer.json()) as Image;
    assert.ok(content.url.startsWith(expected), `${answer.status} ${content.url}`);
  }
});

test('the addresses that a list names lead to the bytes, from memory too', async () => {
  const attributes = '{"url":"/api/v2/images/", "content":"/api/v2/images/"}';
  const { id, attributes: kept } = await create_({ name: 'Listed', attributes });
  const page = (await (await get('/the.art/api/v2/images?q=listed')).json()) as ImagePage;
  const [image] = page.items;
  assert.equal(image!.id, id);
  assert.deepEqual(image!.attributes, kept, 'what a client wrote stays as it is');
  for (const round of ['from disk', 'from memory', 'from memory again']) {
    const answer = await get(image!.content.url);
    assert.equal(answer.status, 200, round);
    assert.match(answer.headers.get('cache-control')!, /immutable/);
    assert.equal((await answer.arrayBuffer()).byteLength, image!.content.size_bytes);
  }
});

test('requests without the base path are accepted, those of another path are not', async () => {
  const { id } = await create_();
  for (const path of [
    `/api/v2/images/${id}/content`,
    '/health',
    '/the.art/health',
    '/the.art/metrics',
  ]) {
    assert.equal((await get(path)).status, 200, path);
  }
  for (const path of [
    '/the.arts/health',
    '/theXart/health',
    `/theXart/api/v2/images/${id}/content`,
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
});

test('the documentation and its parts are found below the base path', async () => {
  for (const path of ['/the.art', '/the.art/', '/the.art?', '/']) {
    assert.equal((await get(path)).headers.get('location'), '/the.art/docs', path);
  }
  const { servers } = (await (await get('/the.art/openapi.json')).json()) as { servers: unknown };
  assert.deepEqual(servers, [{ url: '/the.art', description: 'this service' }]);
  const page = await (await get('/the.art/docs')).text();
  const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!);
  assert.ok(parts.length > 3);
  for (const part of parts) {
    assert.ok(part.startsWith('/the.art/'), part);
    assert.equal((await get(part)).status, 200, part);
  }
});
