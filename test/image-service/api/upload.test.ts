import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import {
  checkedApi,
  create,
  fieldsOf,
  form,
  type Part,
  png,
  problem,
  REQUIRED,
} from '../../services/api.ts';
import { contentsOf } from '../../services/data-folder.ts';
import { startService } from '../../services/service.ts';

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);

const upload = async (parts: Part[], headers: Record<string, string> = {}) =>
  api('/api/v2/images', { method: 'POST', body: form(...parts), headers });
const count = async () =>
  ((await (await api('/api/v2/images')).json()) as { items: [] }).items.length;

test('an image comes in with the least fields, and all others have their defaults', async () => {
  const bytes = await png(7, 5);
  const response = await upload([...REQUIRED, ['image', bytes, 'mira.png']]);
  const image = (await response.json()) as Image;
  assert.equal(response.status, 201);
  assert.equal(response.headers.get('location'), `/api/v2/images/${image.id}`);
  assert.equal(response.headers.get('etag'), '"1"');
  const { subtype, description, tags, attributes, source_type, visibility, owner } = image;
  assert.deepEqual(
    { subtype, description, tags, attributes, source_type, visibility, owner },
    {
      subtype: null,
      description: null,
      tags: [],
      attributes: {},
      source_type: null,
      visibility: 'public',
      owner: null,
    },
  );
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.equal(image.content.sha256, sha256);
  assert.equal(image.content.url, `/api/v2/images/${image.id}/content?v=${sha256.slice(0, 16)}`);
  assert.deepEqual([image.content.width, image.content.height], [7, 5]);
  assert.equal(image.content.filename, 'mira.png');
});

test('the parts come in any order', async () => {
  const bytes = await png();
  for (const parts of [
    [['image', bytes], ...REQUIRED],
    [...REQUIRED.slice(0, 1), ['image', bytes], ...REQUIRED.slice(1)],
  ] as Part[][]) {
    assert.equal((await upload(parts)).status, 201);
  }
});

test('tags come repeated and as comma lists, trimmed, in lower case, each once', async () => {
  const tags: Part[] = [
    ['tags', 'Elf, Ranger'],
    ['tags', 'elf'],
    ['tags', ' Bow ,, '],
  ];
  const response = await upload([...REQUIRED, ...tags, ['image', await png()]]);
  assert.deepEqual(((await response.json()) as Image).tags, ['elf', 'ranger', 'bow']);
});

test('attributes come as JSON text', async () => {
  const image = await create(api, { attributes: '{"artist":"Hildr","size":3,"of":["a",null]}' });
  assert.deepEqual(image.attributes, { artist: 'Hildr', size: 3, of: ['a', null] });
});

test('all faults of a form come in one answer, and nothing is stored', async () => {
  const before = await count();
  const response = await upload([
    ['image', await png()],
    ['type', 'statue'],
    ['name', 'a'],
    ['name', 'b'],
    ['colour', 'red'],
    ['image', await png()],
    ['id', '01a2054f-8891-708e-aaf3-20d45b961b49'],
    ['attributes', '{"a":'],
    ['cover', await png()],
  ]);
  const found = await problem(response, 400, 'invalid_request');
  const expected = ['name', 'colour', 'image', 'id', 'cover', 'type', 'theme', 'attributes'];
  assert.deepEqual(fieldsOf(found).sort(), expected.sort());
  assert.equal(await count(), before);
  const { incoming, leases } = await contentsOf(service.dataDir);
  assert.deepEqual([incoming, leases], [[], []]);
});

test('a form without a file, or with the file as text, names the file', async () => {
  assert.deepEqual(fieldsOf(await problem(await upload(REQUIRED), 400, 'invalid_request')), [
    'image',
  ]);
  const text = await upload([...REQUIRED, ['image', 'PNG']]);
  assert.deepEqual(fieldsOf(await problem(text, 400, 'invalid_request')), ['image']);
});

test('attributes are one level deep, with plain keys, and up to 16 KiB', async () => {
  const bad = [
    '[]',
    '{"a":{"b":1}}',
    '{"__proto__":1}',
    '{"constructor":1}',
    '{"1a":1}',
    JSON.stringify({ a: 'x'.repeat(17_000) }),
    '{"a":"\\u0000"}',
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  ];
  for (const attributes of bad) {
    const response = await upload([
      ...REQUIRED,
      ['attributes', attributes],
      ['image', await png()],
    ]);
    const found = await problem(response, 400, 'invalid_request');
    assert.deepEqual(fieldsOf(found), ['attributes'], attributes.slice(0, 40));
  }
});

test('a field over 64 KiB and more than 100 parts are refused', async () => {
  const long = await upload([
    ...REQUIRED,
    ['description', 'x'.repeat(70_000)],
    ['image', await png()],
  ]);
  assert.deepEqual(fieldsOf(await problem(long, 400, 'invalid_request')), ['description']);
  const many = Array.from({ length: 500 }, (): Part => ['tags', 'a']);
  await problem(
    await upload([...REQUIRED, ...many, ['image', await png()]]),
    400,
    'invalid_request',
  );
});

test('what is no image of a taken format is refused, whatever it is called', async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>';
  for (const bytes of [svg, '<html>', '%PDF-1.7', 'x', '']) {
    const response = await upload([...REQUIRED, ['image', Buffer.from(bytes), 'a.png']]);
    await problem(response, 415, 'unsupported_media_type');
  }
  const cut = (await png(64, 64)).subarray(0, 2000);
  await problem(await upload([...REQUIRED, ['image', cut]]), 422, 'image_unreadable');
});

test('a body of another type is refused with the type that is taken', async () => {
  const body = JSON.stringify({ type: 'map' });
  for (const type of ['application/json', 'text/plain', 'multipart/mixed', '???']) {
    const init = { method: 'POST', body, headers: { 'content-type': type } };
    const { detail } = await problem(
      await api('/api/v2/images', init),
      415,
      'unsupported_media_type',
    );
    if (type !== '???')
      assert.match(detail, /Send multipart\/form-data, with curl: curl -F image=@/);
  }
  const bare = { method: 'POST', body, headers: { 'content-type': 'multipart/form-data' } };
  const found = await problem(await api('/api/v2/images', bare), 400, 'invalid_request');
  assert.match(found.detail, /no boundary/);
  await problem(await api('/api/v2/images', { method: 'POST' }), 415, 'unsupported_media_type');
});

test('a broken multipart body is a malformed request', async () => {
  const head = '--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n';
  const bytes = await png();
  for (const [boundary, body] of [
    ['b', Buffer.concat([Buffer.from(head), bytes])],
    ['b', Buffer.from('--b\r\nContent-Disp')],
    ['b', Buffer.from('nothing of the kind')],
    ['', Buffer.from(head)],
    ['b'.repeat(300), Buffer.from(`--${'b'.repeat(300)}--`)],
  ] as const) {
    const type = `multipart/form-data${boundary && `; boundary=${boundary}`}`;
    const init = { method: 'POST', body, headers: { 'content-type': type } };
    const response = await api('/api/v2/images', init);
    assert.ok(
      [400, 415, 422].includes(response.status),
      `${response.status} ${body.subarray(0, 20)}`,
    );
    assert.match(response.headers.get('content-type')!, /problem/);
  }
});

test('a part that calls itself JSON is taken for its value, and refused like any other', async () => {
  const bytes = await png();
  const send = (name: string, json: string) => {
    const part = (head: string, body: string | Uint8Array) =>
      Buffer.concat([
        Buffer.from(`--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
        Buffer.from(body),
        Buffer.from('\r\n'),
      ]);
    const body = Buffer.concat([
      part('name="image"; filename="a.png"', bytes),
      ...REQUIRED.map(([field, value]) => part(`name="${field}"`, value)),
      part(`name="${name}"\r\nContent-Type: application/json`, json),
      Buffer.from('--b--\r\n'),
    ]);
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    return api('/api/v2/images', { method: 'POST', body, headers });
  };
  for (const [name, json] of [
    ['tags', '{"toString":1}'],
    ['tags', '[{"toString":1}]'],
    ['tags', 'null'],
    ['tags', '['.repeat(30_000) + ']'.repeat(30_000)],
    ['subtype', '["a"]'],
    ['attributes', '[1]'],
  ] as const) {
    const found = await problem(await send(name, json), 400, 'invalid_request');
    assert.deepEqual(fieldsOf(found), [name], json.slice(0, 20));
  }
  const { incoming, leases } = await contentsOf(service.dataDir);
  assert.deepEqual([incoming, leases], [[], []]);
  const image = (await (await send('tags', '["Elf","a bow"]')).json()) as Image;
  assert.deepEqual(image.tags, ['elf', 'a bow']);
  const described = (await (await send('attributes', '{"level":3}')).json()) as Image;
  assert.deepEqual(described.attributes, { level: 3 });
});

test('names keep their letters and lose what harms', async () => {
  const names: [sent: string, kept: string][] = [
    ['../../etc/passwd.png', 'passwd.png'],
    ['C:\\maps\\cave.png', 'cave.png'],
    ['Drache 🐉 größer.png', 'Drache 🐉 größer.png'],
    ['gnp\u202egnp.png', 'gnpgnp.png'],
  ];
  for (const [sent, kept] of names) {
    const response = await upload([...REQUIRED, ['image', await png(), sent]]);
    assert.equal(((await response.json()) as Image).content.filename, kept);
  }
});

test('an unknown theme is taken, a malformed one is named', async () => {
  assert.equal((await create(api, { theme: 'dream_realm' })).theme, 'dream_realm');
  assert.equal((await create(api, { theme: 'Dream Realm' })).theme, 'dream_realm');
  for (const theme of ['!', 'a__b', '', '../x', 'x'.repeat(51)]) {
    const response = await upload([
      ['type', 'map'],
      ['name', 'x'],
      ['theme', theme],
      ['image', await png()],
    ]);
    assert.deepEqual(fieldsOf(await problem(response, 400, 'invalid_request')), ['theme'], theme);
  }
});
