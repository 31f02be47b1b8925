import assert from 'node:assert/strict';
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
import { startService } from '../../services/service.ts';

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);

const bytes = await png();
const upload = (key: string, parts: Part[] = [...REQUIRED, ['image', bytes]]) =>
  api('/api/v2/images', {
    method: 'POST',
    body: form(...parts),
    headers: { 'idempotency-key': key },
  });
const replayed = (response: Response) => response.headers.get('idempotent-replayed');

test('a repeated upload makes no second image and says that it was kept', async () => {
  const first = await upload('again');
  const second = await upload('again');
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.deepEqual([replayed(first), replayed(second)], [null, 'true']);
  assert.equal(second.headers.get('location'), first.headers.get('location'));
  assert.deepEqual(await second.json(), await first.json());
});

test('two uploads at the same time with one key make one image', async () => {
  const answers = await Promise.all(Array.from({ length: 4 }, () => upload('race')));
  const images = (await Promise.all(answers.map((answer) => answer.json()))) as Image[];
  assert.equal(new Set(images.map(({ id }) => id)).size, 1);
  assert.deepEqual(answers.map(replayed).filter((value) => value === null).length, 1);
});

test('the same key with another file or other fields is refused', async () => {
  await upload('taken');
  const other = await upload('taken', [...REQUIRED, ['image', await png()]]);
  await problem(other, 409, 'idempotency_key_reused');
  const fields = await upload('taken', [...REQUIRED, ['subtype', 'x'], ['image', bytes]]);
  await problem(fields, 409, 'idempotency_key_reused');
});

test('a change under a list in If-Match is repeated under the same one', async () => {
  const { id, content } = await create(api);
  const patch = (name: string) =>
    api(`/api/v2/images/${id}`, {
      method: 'PATCH',
      body: JSON.stringify({ name }),
      headers: {
        'content-type': 'application/json',
        'idempotency-key': 'listed',
        'if-match': '"7", "1", "2"',
      },
    });
  const [first, second] = [await patch('x'), await patch('x')];
  assert.deepEqual([first.status, second.status], [200, 200]);
  assert.deepEqual([replayed(first), replayed(second)], [null, 'true']);
  assert.deepEqual(await second.json(), await first.json());

  const tags = [`"${'0'.repeat(64)}"`, `"${content.sha256}"`].join(', ');
  const put = (data: Uint8Array<ArrayBuffer>) =>
    api(`/api/v2/images/${id}/content`, {
      method: 'PUT',
      body: data,
      headers: { 'content-type': 'image/png', 'idempotency-key': 'listed', 'if-match': tags },
    });
  const other = new Uint8Array(await png());
  const [one, again] = [await put(other), await put(other)];
  assert.deepEqual([one.status, again.status], [200, 200]);
  assert.deepEqual([replayed(one), replayed(again)], [null, 'true']);
  await problem(await put(new Uint8Array(await png())), 409, 'idempotency_key_reused');
});

test('a key belongs to its method and path', async () => {
  const [a, b] = [await create(api), await create(api)];
  const headers = { 'idempotency-key': 'shared', 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'x' });
  for (const { id } of [a, b]) {
    const patch = () => api(`/api/v2/images/${id}`, { method: 'PATCH', body, headers });
    assert.equal(replayed(await patch()), null);
    const repeated = await patch();
    assert.equal(replayed(repeated), 'true');
    assert.equal(((await repeated.json()) as Image).version, 2);
    assert.equal((await api(`/api/v2/images/${id}`, { method: 'DELETE', headers })).status, 204);
  }
});

test('a refusal after the intake is kept like a success', async () => {
  const { id } = await create(api);
  const patch = (name: string) =>
    api(`/api/v2/images/${id}`, {
      method: 'PATCH',
      body: JSON.stringify({ name }),
      headers: {
        'idempotency-key': 'stale',
        'if-match': '"7"',
        'content-type': 'application/json',
      },
    });
  await problem(await patch('x'), 412, 'precondition_failed');
  const again = await patch('x');
  assert.equal(replayed(again), 'true');
  await problem(again, 412, 'precondition_failed');
  await problem(await patch('y'), 409, 'idempotency_key_reused');
});

test('a key that is none is named', async () => {
  for (const key of ['', 'x'.repeat(129), 'a b', 'ü']) {
    const found = await problem(await upload(key), 400, 'invalid_request');
    assert.deepEqual(fieldsOf(found), ['Idempotency-Key'], key);
  }
});
