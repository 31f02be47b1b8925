import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import { checkedApi, create, fieldsOf, form, png, problem } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);

const bytes = await png(40, 40);
const image = await create(api, {}, bytes);
const { url, sha256 } = image.content;
const plain = `/api/v2/images/${image.id}/content`;
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  api(path, { method, headers });
const body = async (response: Response) => Buffer.from(await response.arrayBuffer());

test('the bytes come back as they were sent, guarded against whatever they are', async () => {
  const response = await get(url);
  assert.deepEqual(await body(response), bytes);
  const header = (name: string) => response.headers.get(name);
  assert.equal(header('content-type'), 'image/png');
  assert.equal(header('content-length'), String(bytes.length));
  assert.equal(header('etag'), `"${sha256}"`);
  assert.equal(header('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(header('x-content-type-options'), 'nosniff');
  assert.equal(header('content-security-policy'), "default-src 'none'; sandbox");
  assert.equal(header('accept-ranges'), 'bytes');
  assert.match(header('content-disposition')!, /^inline; filename="a\.png"$/);
  assert.ok(header('last-modified'));
});

test('only the address of the current bytes is immutable', async () => {
  for (const path of [plain, `${plain}?v=0123456789abcdef`, `${plain}?v=`]) {
    const response = await get(path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'no-cache');
  }
  const secret = await create(api, { visibility: 'private' });
  for (const path of [secret.content.url, `/api/v2/images/${secret.id}/content`]) {
    assert.equal((await get(path)).headers.get('cache-control'), 'private, no-store');
  }
});

test('parameters of variants are refused until variants exist', async () => {
  for (const [query, field] of [
    ['w=100', 'w'],
    [`${url.split('?')[1]}&format=webp`, 'format'],
    ['v=1&v=2', 'v'],
  ]) {
    const found = await problem(await get(`${plain}?${query}`), 400, 'invalid_request');
    assert.deepEqual(fieldsOf(found), [field]);
  }
});

test('HEAD answers like GET without the bytes, and ignores Range', async () => {
  const [head, whole] = [await get(url, { range: 'bytes=0-1' }, 'HEAD'), await get(url)];
  assert.equal(head.status, 200);
  const names = ['content-length', 'etag', 'content-type', 'last-modified', 'content-disposition'];
  for (const name of names) assert.equal(head.headers.get(name), whole.headers.get(name), name);
});

/** `fetch` ends the connection of a HEAD. */
const OF_THE_EXCHANGE = new Set(['x-request-id', 'date', 'connection', 'keep-alive']);

test('from memory comes the same answer as by the route', async () => {
  const secret = await create(api, { visibility: 'private' }, bytes);
  const tagged = { 'if-none-match': `"${sha256}"` };
  for (const { id, content } of [image, secret]) {
    for (const path of [content.url, `/api/v2/images/${id}/content`]) {
      for (const condition of [{}, tagged, { 'if-none-match': '"x"' }]) {
        await body(await get(path));
        const answer = await get(path, { ...condition, 'x-request-id': 'mine' });
        // HEAD is always answered by the route.
        const routed = await get(path, condition, 'HEAD');
        assert.equal(answer.status, routed.status);
        assert.equal(answer.headers.get('x-request-id'), 'mine');
        const headers = ({ headers }: Response) =>
          [...headers].filter(([name]) => !OF_THE_EXCHANGE.has(name));
        assert.deepEqual(headers(answer), headers(routed), `${path} ${JSON.stringify(condition)}`);
        assert.deepEqual(await body(answer), answer.status === 200 ? bytes : Buffer.alloc(0));
      }
    }
  }
});

test('a 304 does not take from what a cache keeps how the bytes are guarded', async () => {
  const [whole, unchanged] = [await get(url), await get(url, { 'if-none-match': `"${sha256}"` })];
  for (const name of ['content-security-policy', 'x-content-type-options', 'referrer-policy']) {
    assert.equal(unchanged.headers.get(name), whole.headers.get(name), name);
  }
});

test('who has the bytes gets 304 with what a cache needs', async () => {
  const { headers } = await get(url);
  const date = headers.get('last-modified')!;
  const conditions: Record<string, string>[] = [
    { 'if-none-match': `"${sha256}"` },
    { 'if-none-match': `"x", W/"${sha256}"` },
    { 'if-modified-since': date },
  ];
  for (const condition of conditions) {
    const response = await get(url, condition);
    assert.equal(response.status, 304);
    assert.equal(response.headers.get('etag'), `"${sha256}"`);
    assert.match(response.headers.get('cache-control')!, /immutable/);
    assert.equal(response.headers.get('content-length'), null);
  }
  await problem(await get(url, { 'if-match': '"x"' }), 412, 'precondition_failed');
});

test('one range is answered with exactly its bytes', async () => {
  const last = bytes.length - 1;
  for (const [range, first, end] of [
    ['bytes=0-9', 0, 9],
    ['bytes=100-', 100, last],
    ['bytes=-5', last - 4, last],
  ] as const) {
    const response = await get(url, { range });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get('content-range'), `bytes ${first}-${end}/${bytes.length}`);
    assert.deepEqual(await body(response), bytes.subarray(first, end + 1));
  }
});

test('several ranges come as multipart/byteranges, more than eight as the whole', async () => {
  const response = await get(url, { range: 'bytes=0-3,10-13' });
  assert.equal(response.status, 206);
  const type = response.headers.get('content-type')!;
  const [, boundary] = /^multipart\/byteranges; boundary=(.+)$/.exec(type)!;
  const got = await body(response);
  assert.equal(String(got.length), response.headers.get('content-length'));
  const parts = got.toString('latin1').split(`--${boundary}`);
  assert.equal(parts.length, 4);
  const part = bytes.subarray(10, 14).toString('latin1');
  assert.ok(parts[2]!.endsWith(`Content-Range: bytes 10-13/${bytes.length}\r\n\r\n${part}\r\n`));
  const nine = Array.from({ length: 9 }, (_, i) => `${i * 2}-${i * 2}`).join();
  assert.equal((await get(url, { range: `bytes=${nine}` })).status, 200);
});

test('a range outside the bytes is 416 with their number', async () => {
  const response = await get(url, { range: `bytes=${bytes.length}-` });
  assert.equal(response.headers.get('content-range'), `bytes */${bytes.length}`);
  await problem(response, 416, 'range_not_satisfiable');
});

test('If-Range with anything but the current tag gets the whole', async () => {
  const range = 'bytes=0-1';
  assert.equal((await get(url, { range, 'if-range': `"${sha256}"` })).status, 206);
  assert.equal((await get(url, { range, 'if-range': '"x"' })).status, 200);
  assert.equal((await get(url, { range, 'if-range': `W/"${sha256}"` })).status, 200);
});

test('a file too large for memory is streamed, whole and in ranges', async () => {
  const noise = await png(1900, 1700);
  assert.ok(noise.length > 8 * 1024 * 1024);
  const { content } = await create(api, {}, noise);
  assert.deepEqual(await body(await get(content.url)), noise);
  const range = `bytes=1000000-1999999,-10`;
  const got = await body(await get(content.url, { range }));
  assert.ok(got.includes(noise.subarray(1_000_000, 2_000_000)));
  assert.ok(got.includes(noise.subarray(-10)));
});

test('new bytes show at once, under a new address', async () => {
  const old = await create(api);
  const [first, second] = [await png(), await png()];
  assert.equal((await get(old.content.url)).status, 200);
  const address = `/api/v2/images/${old.id}/content`;
  const put = (data: RequestInit['body'], headers: Record<string, string> = {}) =>
    api(address, { method: 'PUT', body: data, headers });

  const byForm = await put(form(['image', first]));
  assert.equal(byForm.status, 200);
  const changed = (await byForm.json()) as Image;
  assert.equal(changed.version, 2);
  assert.equal(byForm.headers.get('etag'), `"${changed.content.sha256}"`);
  assert.deepEqual(await body(await get(address)), first);

  const raw = await put(new Uint8Array(second), { 'content-type': 'image/png' });
  assert.equal(raw.status, 200);
  assert.deepEqual(await body(await get(address)), second);

  const stale = { 'content-type': 'application/octet-stream', 'if-match': `"${sha256}"` };
  await problem(await put(new Uint8Array(first), stale), 412, 'precondition_failed');
  const current = ((await raw.json()) as Image).content.sha256;
  const good = { ...stale, 'if-match': `"${sha256}", "${current}"` };
  assert.equal((await put(new Uint8Array(first), good)).status, 200);
});

test('new bytes pass the same checks as first ones', async () => {
  const { id, version } = await create(api);
  const put = (data: RequestInit['body'], type?: string) =>
    api(`/api/v2/images/${id}/content`, {
      method: 'PUT',
      body: data,
      ...(type ? { headers: { 'content-type': type } } : {}),
    });
  await problem(await put('<svg/>', 'image/svg+xml'), 415, 'unsupported_media_type');
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
    const { detail } = await problem(await put('{}', type), 415, 'unsupported_media_type');
    assert.match(detail, /image\/\* or application\/octet-stream, or multipart\/form-data/);
    assert.equal(detail.includes('with curl: -T elf.png'), type.includes('urlencoded'));
  }
  const extra = await put(form(['image', bytes], ['name', 'x']));
  assert.deepEqual(fieldsOf(await problem(extra, 400, 'invalid_request')), ['name']);
  await problem(await put(form(['picture', bytes])), 400, 'invalid_request');
  const now = (await (await api(`/api/v2/images/${id}`)).json()) as Image;
  assert.equal(now.version, version);
});

test('new bytes need no type, whether their length is known or not', async () => {
  const { id } = await create(api);
  for (const stream of [false, true]) {
    const bytes = await png();
    // A Blob without a type is sent without one; so is a stream.
    const body = stream
      ? new Blob([new Uint8Array(bytes)]).stream()
      : new Blob([new Uint8Array(bytes)]);
    const init = { method: 'PUT', body, duplex: 'half' } as RequestInit;
    const response = await api(`/api/v2/images/${id}/content`, init);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(((await response.json()) as Image).content.size_bytes, bytes.length);
  }
  const none = await api(`/api/v2/images/${id}/content`, { method: 'PUT' });
  assert.match((await problem(none, 415, 'unsupported_media_type')).detail, /empty/);
});
