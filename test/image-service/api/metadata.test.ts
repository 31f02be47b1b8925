import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import type { Image, ImagePage } from '../../../src/contract/image.ts';
import { checkedApi, create, fieldsOf, problem } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);

const UNKNOWN = '01890000-0000-7000-8000-000000000000';
const at = (id: string) => `/api/v2/images/${id}`;
const send = (method: string, id: string, body?: unknown, headers: Record<string, string> = {}) =>
  api(at(id), {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const read = async (response: Response) => {
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Image;
};

test('an image is described with its version as ETag, and 304 while that is current', async () => {
  const image = await create(api);
  const response = await api(at(image.id));
  assert.equal(response.headers.get('etag'), '"1"');
  assert.equal(response.headers.get('cache-control'), 'no-cache');
  assert.deepEqual(await response.json(), image);
  const again = await api(at(image.id), { headers: { 'if-none-match': 'W/"1"' } });
  assert.equal(again.status, 304);
  assert.equal(again.headers.get('etag'), '"1"');
  const head = await api(at(image.id), { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
});

test('a body that is declared, but neither sent nor of length 0, is as none', async () => {
  const { id } = await create(api);
  const { port, host } = new URL(service.url);
  // Not by a client of Node's, which would send the length.
  const bare = (line: string) => {
    const socket = connect(Number(port), '127.0.0.1');
    const head = [`${line} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json'];
    socket.write(`${[...head, 'Connection: close'].join('\r\n')}\r\n\r\n`);
    return text(socket);
  };
  assert.match(await bare(`PATCH ${at(id)}`), / 400 .*The request must be a JSON object/s);
  assert.match(await bare(`DELETE ${at(id)}`), / 204 /);
  assert.match(await bare(`POST ${at(id)}/restore`), / 200 /);
  assert.match(
    await bare('PUT /api/v2/themes/none_yet'),
    / 400 .*The request must be a JSON object/s,
  );
});

test('an unknown or malformed id is 404', async () => {
  for (const id of [
    UNKNOWN,
    'x',
    UNKNOWN.toUpperCase(),
    '..%2f..%2fetc',
    '%00',
    'a'.repeat(5000),
  ]) {
    await problem(await api(at(id)), 404, 'image_not_found');
    await problem(await send('DELETE', id), 404, 'image_not_found');
    await problem(await send('PATCH', id, { name: 'x' }), 404, 'image_not_found');
  }
});

test('a patch merges attributes, replaces tags, clears with null', async () => {
  const fields = { attributes: '{"a":1,"b":2}', tags: 'x,y', subtype: 'elf' };
  const { id } = await create(api, fields);
  const patch = { attributes: { b: null, c: 3 }, tags: ['Z'], subtype: null };
  const changed = await read(await send('PATCH', id, patch));
  assert.deepEqual(changed.attributes, { a: 1, c: 3 });
  assert.deepEqual([changed.tags, changed.subtype, changed.version], [['z'], null, 2]);
  const type = { 'content-type': 'application/merge-patch+json' };
  const cleared = await read(await send('PATCH', id, { attributes: null, tags: null }, type));
  assert.deepEqual([cleared.attributes, cleared.tags], [{}, []]);
});

test('a patch of read-only, unknown or wrong fields names them all', async () => {
  const { id } = await create(api);
  const patch = { version: 9, owner: 'me', colour: 1, name: '', theme: '%', tags: 'a' };
  const found = await problem(await send('PATCH', id, patch), 400, 'invalid_request');
  assert.deepEqual(fieldsOf(found).sort(), ['colour', 'name', 'owner', 'tags', 'theme', 'version']);
  for (const body of [[], 'x', null, 3]) {
    await problem(await send('PATCH', id, body), 400, 'invalid_request');
  }
});

test('a body that is no JSON, empty, too large or of another type is refused', async () => {
  const { id } = await create(api);
  const raw = (body: string, type = 'application/json') =>
    api(at(id), { method: 'PATCH', body, headers: { 'content-type': type } });
  await problem(await raw('{"name":'), 400, 'invalid_request');
  const marked = await raw('\ufeff{"colour":1}');
  assert.deepEqual(fieldsOf(await problem(marked, 400, 'invalid_request')), ['colour']);
  await problem(await raw(''), 400, 'invalid_request');
  await problem(await raw('{"__proto__":{"name":"x"}}'), 400, 'invalid_request');
  await problem(await raw(`{"name":"${'x'.repeat(300_000)}"}`), 413, 'content_too_large');
  for (const type of ['application/x-www-form-urlencoded', 'text/plain']) {
    const found = await problem(await raw('name=x', type), 415, 'unsupported_media_type');
    assert.match(found.detail, /Send application\/json or application\/merge-patch\+json/, type);
  }
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const compressed = await api(at(id), { method: 'PATCH', body: '{"name":"x"}', headers });
  await problem(compressed, 415, 'unsupported_media_type');
  const nested = await raw(`{"attributes":{"__proto__":1,"constructor":2}}`);
  assert.deepEqual(fieldsOf(await problem(nested, 400, 'invalid_request')), ['attributes']);
  assert.equal((await read(await api(at(id)))).version, 1);
});

test('PUT replaces the whole and ignores what is read-only', async () => {
  const image = await create(api, { tags: 'a', description: 'old', visibility: 'private' });
  const body = { ...image, description: undefined, tags: undefined, name: 'New', owner: 'me' };
  const changed = await read(await send('PUT', image.id, body));
  assert.deepEqual(
    [changed.name, changed.description, changed.tags, changed.visibility, changed.owner],
    ['New', null, [], 'private', null],
  );
  const found = await problem(await send('PUT', image.id, { name: 'x' }), 400, 'invalid_request');
  assert.deepEqual(fieldsOf(found), ['type', 'theme']);
});

test('If-Match lets a change through only at its version', async () => {
  const { id } = await create(api);
  const tags = ['"2"', 'W/"1"', '"x"', '"7", "8"'];
  for (const tag of tags) {
    const stale = await send('PATCH', id, { name: 'x' }, { 'if-match': tag });
    await problem(stale, 412, 'precondition_failed');
  }
  const bare = await send('PATCH', id, { name: 'x' }, { 'if-match': '1' });
  assert.match((await problem(bare, 400, 'invalid_request')).detail, /must be "1"/);
  const read1 = await api(at(id), { headers: { 'if-match': '1' } });
  await problem(read1, 400, 'invalid_request');
  const since = { 'if-unmodified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' };
  await problem(await api(at(id), { headers: since }), 412, 'precondition_failed');
  for (const [name, value, code] of [
    ['if-match', '1', 'invalid_request'],
    ['if-match', '"1"', 'precondition_failed'],
    ['if-unmodified-since', 'Fri, 02 Jan 2026 03:04:05 GMT', 'precondition_failed'],
  ] as const) {
    const answer = await api(`${at(id)}/content`, { headers: { [name]: value } });
    await problem(answer, code === 'invalid_request' ? 400 : 412, code);
  }
  const good = ['"1"', '*', '"9", "3"'];
  for (const tag of good) await read(await send('PATCH', id, { name: 'x' }, { 'if-match': tag }));
  await problem(
    await send('DELETE', id, undefined, { 'if-match': '"1"' }),
    412,
    'precondition_failed',
  );
  assert.equal((await send('DELETE', id, undefined, { 'if-match': '"4"' })).status, 204);
});

test('a list in If-Match restores a deleted image at the version that it names', async () => {
  const { id } = await create(api);
  assert.equal((await send('DELETE', id)).status, 204);
  const restore = (tags: string) => send('POST', `${id}/restore`, undefined, { 'if-match': tags });
  await problem(await restore('"7", "8"'), 412, 'precondition_failed');
  assert.equal((await read(await restore('"9", "2"'))).version, 3);
});

test('of two changes with the same If-Match one wins', async () => {
  const { id } = await create(api);
  const race = ['a', 'b'].map((name) => send('PATCH', id, { name }, { 'if-match': '"1"' }));
  const statuses = (await Promise.all(race)).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [200, 412]);
});

test('a deleted image is gone everywhere, listed as deleted, and can be restored', async () => {
  const { id, content } = await create(api, { name: 'Ghost' });
  assert.equal((await api(content.url)).status, 200);
  assert.equal((await send('DELETE', id)).status, 204);
  assert.equal((await send('DELETE', id)).status, 204);
  await problem(await api(at(id)), 404, 'image_not_found');
  await problem(await api(content.url), 404, 'image_not_found');
  await problem(await send('PATCH', id, { name: 'x' }), 404, 'image_not_found');
  const deleted = (await (await api('/api/v2/images?deleted=true')).json()) as ImagePage;
  assert.ok(deleted.items.some((item) => item.id === id && item.deleted_at !== null));

  // As `curl -d ''` does.
  const none = { body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  const restore = () => api(`${at(id)}/restore`, { method: 'POST', ...none });
  const restored = await read(await restore());
  assert.deepEqual([restored.deleted_at, restored.version], [null, 3]);
  assert.deepEqual(await read(await restore()), restored);
  assert.equal((await api(content.url)).status, 200);
  await problem(await api(`${at(UNKNOWN)}/restore`, { method: 'POST' }), 404, 'image_not_found');
});

test('lists filter, page and refuse what is no filter', async () => {
  const subtype = 'pagetest';
  for (const name of ['a', 'b', 'c']) await create(api, { subtype, name, tags: `t,${name}` });
  const page = async (query: string) =>
    (await (await api(`/api/v2/images?subtype=${subtype}&${query}`)).json()) as ImagePage;
  const names = ({ items }: ImagePage) => items.map(({ name }) => name);
  assert.deepEqual(names(await page('tag=t&tag=b')), ['b']);
  const first = await page('limit=2&sort=name');
  assert.deepEqual(names(first), ['a', 'b']);
  const second = await page(`limit=2&sort=name&cursor=${first.next_cursor}`);
  assert.deepEqual([names(second), second.next_cursor], [['c'], null]);
  const other = await api(`/api/v2/images?subtype=x&sort=name&cursor=${first.next_cursor}`);
  await problem(other, 400, 'cursor_invalid');
  const wrong = await problem(await api('/api/v2/images?limit=999&foo=1'), 400, 'invalid_request');
  assert.deepEqual(fieldsOf(wrong), ['foo']);
});
