import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { after, describe, test } from 'node:test';
import { ERROR_CODES } from '../../src/contract/errors.ts';
import type { Image } from '../../src/contract/image.ts';
import { CONTENT_MAX_BYTES, MULTIPART_MAX_PARTS } from '../../src/contract/limits.ts';
import { HOSTILE, ODD_BUT_TAKEN } from '../fixtures/hostile.ts';
import { largeMap } from '../fixtures/images.ts';
import { LOCATED, tellsPlace } from '../fixtures/located.ts';
import { create, fieldsOf, form, type Part, png, problem, REQUIRED } from '../services/api.ts';
import { contentsOf, eventually } from '../services/data-folder.ts';
import { startService } from '../services/service.ts';

/** What the service withstands, through every door that HTTP has for bytes. */

const service = await startService();
after(() => service.close());
const api = (path: string, init?: RequestInit) => fetch(service.url + path, init);
const IMAGES = '/api/v2/images';
const target = await create(api);
const CONTENT = `${IMAGES}/${target.id}/content`;

/** Each sends bytes as a file of this name. */
const DOORS = {
  'a form that creates': (bytes: Uint8Array, name = 'a.png') =>
    api(IMAGES, { method: 'POST', body: form(['image', bytes, name], ...REQUIRED) }),
  'a form that replaces': (bytes: Uint8Array, name = 'a.png') =>
    api(CONTENT, { method: 'PUT', body: form(['image', bytes, name]) }),
  'a raw body that replaces': (bytes: Uint8Array) =>
    api(CONTENT, { method: 'PUT', body: bytes, headers: { 'content-type': 'image/png' } }),
};

/** What is stored; equal as long as nothing came in. */
const state = () => contentsOf(service.dataDir);
let before = await state();

async function assertNothingStored(): Promise<void> {
  await eventually(async () => assert.deepEqual(await state(), before));
}

async function refused(response: Response, ...codes: string[]): Promise<string> {
  const body = await response.text();
  const { code, status, title, detail, request_id } = JSON.parse(body);
  assert.match(response.headers.get('content-type')!, /^application\/problem\+json/, body);
  assert.ok(codes.includes(code), `${code}, not ${codes}: ${body}`);
  assert.equal(status, response.status);
  assert.ok(status >= 400 && status < 500, body);
  assert.ok((ERROR_CODES as readonly string[]).includes(code) && title && detail && request_id);
  assert.doesNotMatch(body, /vips|sqlite|node_modules|\.ts\b|\bE[A-Z]{4,}:|\bat .*:\d+/i);
  assert.ok(!body.includes(service.dataDir));
  return code;
}

// Beside the other tests, since it takes ten seconds; on its own, since its file would be seen.
const crawling = crawl();

for (const { name, bytes, expected } of HOSTILE) {
  test(`refused at every door: ${name}`, async () => {
    const content = await bytes();
    for (const send of Object.values(DOORS)) {
      await refused(await send(content), ...expected);
      await assertNothingStored();
    }
  });
}

describe('an upload', { concurrency: true }, () => {
  for (const method of ['POST', 'PUT'] as const) {
    test(`without end and length is cut at the limit: ${method}`, async () => {
      const { request, answer } = open(method, { 'transfer-encoding': 'chunked' });
      request.write(method === 'POST' ? FORM_HEAD : '');
      request.write((await png(64, 64)).subarray(0, 1_000));
      const filler = Buffer.alloc(256 * 1024, 7);
      let sent = 0;
      let done = false;
      void answer.then(() => {
        done = true;
      });
      for (; !done; sent += filler.length) {
        if (!request.write(filler)) await Promise.race([answer, once(request, 'drain')]);
      }
      assert.match(await answer, /^413 .*"content_too_large"/);
      assert.ok(sent < 4 * CONTENT_MAX_BYTES, `${sent} bytes were taken`);
      request.destroy();
    });
  }

  for (const method of ['POST', 'PUT'] as const) {
    test(`whose client leaves half-way leaves nothing: ${method}`, async () => {
      const { request, answer } = open(method, { 'content-length': '500000' });
      request.write(method === 'POST' ? FORM_HEAD : '');
      request.write(await png(64, 64));
      await eventually(async () => assert.notDeepEqual((await state()).incoming, []));
      request.destroy();
      await answer;
    });
  }
});

test('after all that, nothing is stored', assertNothingStored);

test('one byte more than a file may have is refused whole, at every door', async () => {
  const head = (await png(64, 64)).subarray(0, 1_000);
  const bytes = Buffer.concat([head, Buffer.alloc(CONTENT_MAX_BYTES + 1 - head.length)]);
  for (const send of Object.values(DOORS)) {
    await refused(await send(bytes), 'content_too_large');
    await assertNothingStored();
  }
});

test('500 small parts are refused by their number, whatever they are', async () => {
  const file = await png();
  for (const part of [
    ['tags', 'a'],
    ['image', file],
    ['x', file],
  ] as Part[]) {
    const parts = Array<Part>(500).fill(part);
    const body = () => form(...REQUIRED, ['image', file], ...parts);
    const response = await api(IMAGES, { method: 'POST', body: body() });
    assert.match(await response.clone().text(), new RegExp(`up to ${MULTIPART_MAX_PARTS} parts`));
    await refused(response, 'invalid_request');
    await refused(await api(CONTENT, { method: 'PUT', body: body() }), 'invalid_request');
    await assertNothingStored();
  }
});

test('a form whose file is good and whose rest is not stores nothing', async () => {
  const file = await png();
  const head = multipart(file, 'a.png');
  for (const body of [
    head.subarray(0, -10),
    Buffer.concat([head.subarray(0, -4), Buffer.from('\r\nContent-Disposition: form-data')]),
  ]) {
    await refused(await sendForm(body), 'invalid_request');
    await assertNothingStored();
  }
});

const LONG = 'x'.repeat(100_000);
const DEEP = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
const FIELDS: [string, string][] = [
  ['name', ''],
  ['name', 'a\0b'],
  ['name', 'a\x1b[31m'],
  ['name', 'n'.repeat(256)],
  ['name', LONG],
  ['description', 'd'.repeat(4_001)],
  ['type', 'portrait\0'],
  ['type', '__proto__'],
  ['theme', '..%2fetc'],
  ['theme', '../etc'],
  ['theme', '..\\etc'],
  ['theme', 'fantasy%00'],
  ['theme', 'fantasy_'],
  ['theme', "x' or 1=1 --"],
  ['subtype', 's'.repeat(51)],
  ['tags', 't'.repeat(51)],
  ['tags', Array.from({ length: 65 }, (_, n) => `t${n}`).join(',')],
  ['tags', 'a\u0007b'],
  ['attributes', DEEP],
  ['attributes', '[]'],
  ['attributes', '{"a":{"b":1}}'],
  ['attributes', '{"__proto__":{"x":1}}'],
  ['attributes', '{"constructor":1}'],
  ['attributes', '{"prototype":1}'],
  ['attributes', '{"..%2f":1}'],
  ['attributes', '{"a":"\\u0000"}'],
  ['attributes', '{"a":1e999}'],
  ['attributes', JSON.stringify({ a: 'x'.repeat(17_000) })],
  ['attributes', `{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`],
  ['visibility', 'Public'],
  ['source_id', 'a\nb\u202e'],
];

test('metadata that is wrong is named by its field, and nothing is stored', async () => {
  const file = await png();
  for (const [field, value] of FIELDS) {
    const rest = REQUIRED.filter(([name]) => name !== field);
    const body = form(['image', file], ...rest, [field, value]);
    const response = await api(IMAGES, { method: 'POST', body });
    const found = await problem(response.clone(), 400, 'invalid_request');
    assert.deepEqual(
      [...new Set(fieldsOf(found).map((name) => name.split(/[./]/)[0]))],
      [field],
      JSON.stringify(found),
    );
    await refused(response, 'invalid_request');
    await assertNothingStored();
  }
});

test('JSON that is deep, huge or forbidden is refused', async () => {
  const patch = (body: string) =>
    api(`${IMAGES}/${target.id}`, {
      method: 'PATCH',
      body,
      headers: { 'content-type': 'application/json' },
    });
  for (const body of [
    DEEP,
    `{"attributes":${DEEP}}`,
    '{"__proto__":{"name":"x"}}',
    '{"constructor":{"prototype":{"name":"x"}}}',
    '{"attributes":{"__proto__":1}}',
    '{"id":"x"}',
    '{"name":"\\ud800\\u0000"}',
    '{"name":',
    '[]',
    'null',
    '1e999',
    '"x"',
  ]) {
    await refused(await patch(body), 'invalid_request');
  }
  await refused(await patch(`{"name":"${'x'.repeat(300_000)}"}`), 'content_too_large');
  await assertNothingStored();
});

const ESCAPES = [
  '..%2f',
  '..%5c',
  '%2e%2e%2f',
  '%00',
  '..%2f..%2fcatalog.sqlite',
  '%2fetc%2fpasswd',
];

test('ids and names that would climb out of their folder lead nowhere', async () => {
  const sibling = `${target.id.slice(0, -1)}${target.id.endsWith('0') ? 1 : 0}`;
  const ids = [...ESCAPES, `${target.id}%00`, `${target.id}%2f..`, `${target.id}x`, sibling];
  for (const id of [
    ...ids,
    target.id.slice(0, -1),
    target.id.toUpperCase().replace(/[A-F]/, 'Z'),
  ]) {
    for (const path of [`${IMAGES}/${id}`, `${IMAGES}/${id}/content`]) {
      await refused(await api(path), 'image_not_found', 'not_found', 'invalid_request');
    }
    const init = { method: 'DELETE' };
    await refused(
      await api(`${IMAGES}/${id}`, init),
      'image_not_found',
      'not_found',
      'invalid_request',
    );
  }
  const headers = { 'content-type': 'application/json' };
  for (const name of [...ESCAPES, 'A', 'a b', '_a', 'a__b', 'x'.repeat(51), '__proto__']) {
    const path = `/api/v2/themes/${name}`;
    await refused(await api(path), 'theme_not_found', 'not_found', 'invalid_request');
    const put = await api(path, { method: 'PUT', body: '{}', headers });
    await refused(put, 'theme_not_found', 'not_found', 'invalid_request');
  }
  await assertNothingStored();
});

test('an Idempotency-Key is visible ASCII of up to 128 characters, and no path', async () => {
  const file = await png();
  for (const key of ['', 'a b', 'k\u00e9y', 'k'.repeat(129)]) {
    const headers = { 'idempotency-key': key };
    const body = form(['image', file], ...REQUIRED);
    await refused(await api(IMAGES, { method: 'POST', body, headers }), 'invalid_request');
  }
  await assertNothingStored();
  const keys = ['../../etc', '..\\', '%00', "'or+1=1--"];
  const ids = new Set<string>();
  for (const key of keys) {
    const headers = { 'idempotency-key': key };
    const body = form(['image', file], ...REQUIRED);
    const response = await api(IMAGES, { method: 'POST', body, headers });
    assert.equal(response.status, 201);
    ids.add(((await response.json()) as Image).id);
  }
  assert.equal(ids.size, keys.length);
  before = await state();
});

test('file names are stored safely and sent back as RFC 8187 says', async () => {
  const file = await png();
  for (const filename of [
    'a\u202egnp.exe',
    'quote\\".png',
    'semi;colon=1.png',
    'tab\there.png',
    '../../../etc/passwd',
    '..\\..\\boot.ini',
    'C:\\Users\\x.png',
    '%2e%2e%2f.png',
    '\u{1f409}\u{1f409}.png',
    'e\u0301\ufeff.png',
    `${'long'.repeat(2_500)}.png`,
    '..',
    ' ',
    'CON',
  ]) {
    const response = await sendForm(multipart(file, filename));
    const image = (await response.json()) as Image;
    assert.equal(response.status, 201, filename);
    const kept = image.content.filename;
    assert.ok(kept === null || [...kept].length <= 255, filename);
    assert.doesNotMatch(kept ?? '', /[\p{Cc}/\\\u202a-\u202e\u2066-\u2069]/u);
    const content = await api(image.content.url);
    await content.body?.cancel();
    const disposition = content.headers.get('content-disposition')!;
    assert.match(
      disposition,
      /^inline(; filename="[\x20-\x7e]*")?(; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?$/,
    );
  }
  for (const line of ['a\r\nX-Injected: 1\r\n.png', 'a\nb.png', 'a\0b.png']) {
    const response = await sendForm(multipart(file, line));
    if (response.status !== 201) await refused(response, 'invalid_request');
    else assert.doesNotMatch(((await response.json()) as Image).content.filename ?? '', /\p{Cc}/u);
  }
  before = await state();
});

test('a search takes operators, quotes and wildcards literally, or names what is too much', async () => {
  const listed = async (query: string) => {
    const response = await api(`${IMAGES}?${query}`);
    const { items } = (await response.json()) as { items: Image[] };
    assert.equal(response.status, 200, query);
    return items.length;
  };
  const search = (q: string) => `q=${encodeURIComponent(q)}`;
  assert.ok((await listed(search('mira'))) > 0);
  for (const q of [
    'mi%',
    'm_ra',
    'mira NOT mira',
    'mira"',
    '"mira" OR "x"',
    'name:mira',
    'mira*x',
  ]) {
    const found = await listed(search(q));
    assert.ok(found === 0 || /^(mira"|mi%)$/.test(q), `${q} found ${found}`);
  }
  for (const q of [
    "'; drop table images; --",
    'NEAR(a b)',
    'a AND (b',
    '{a b}: c',
    '^a',
    '-a',
    'x'.repeat(900),
  ]) {
    await listed(search(q));
  }
  for (const q of [
    '%',
    '*',
    '"',
    '()',
    '\0',
    '',
    Array(5_000).fill('mira').join(' '),
    Array(17)
      .fill(0)
      .map((_, n) => `w${n}`)
      .join(' '),
  ]) {
    await refused(await api(`${IMAGES}?${search(q)}`), 'invalid_request', 'headers_too_large');
  }
  for (const query of [
    'theme=..%2f',
    'tag=%00',
    'attr.__proto__=1',
    'attr.=1',
    'limit=1e9',
    'cursor=..%2f',
    'sort=name;drop',
    '__proto__=1',
    `tag=${'x'.repeat(5_000)}`,
  ]) {
    const response = await api(`${IMAGES}?${query}`);
    if (response.status === 200)
      assert.deepEqual(((await response.json()) as { items: [] }).items, []);
    else await refused(response, 'invalid_request', 'cursor_invalid');
  }
  await assertNothingStored();
});

test('what only looks suspicious is stored and delivered as what its bytes are', async () => {
  for (const { name, bytes, mediaType, filename } of ODD_BUT_TAKEN) {
    const sent = await bytes();
    const response = await DOORS['a form that creates'](sent, filename);
    const image = (await response.json()) as Image;
    assert.equal(response.status, 201, name);
    const content = await api(image.content.url);
    assert.deepEqual(Buffer.from(await content.arrayBuffer()), sent, name);
    assert.equal(content.headers.get('content-type'), mediaType);
    assert.equal(content.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(content.headers.get('content-security-policy'), "default-src 'none'; sandbox");
  }
});

test('the place where a picture was made is not delivered, whichever door it came by', async () => {
  for (const { name, bytes } of LOCATED.slice(0, 6)) {
    const sent = await bytes();
    for (const send of Object.values(DOORS)) {
      const response = await send(sent);
      const { content } = (await response.json()) as Image;
      assert.ok(response.ok, name);
      assert.notEqual(content.sha256, content.source_sha256, name);
      const delivered = await (await api(content.url)).arrayBuffer();
      assert.equal(delivered.byteLength, content.size_bytes);
      assert.equal(tellsPlace(Buffer.from(delivered)), false, name);
    }
  }
});

test('20 maps of 144 megapixels at once are taken, or asked to come again; none is lost', async () => {
  const map = await largeMap();
  const send = async (): Promise<Image> => {
    const response = await DOORS['a form that creates'](map);
    if (response.status === 201) return (await response.json()) as Image;
    assert.ok([429, 503].includes(response.status), await response.text());
    assert.ok(response.headers.get('retry-after'));
    return send();
  };
  const images = await Promise.all(Array.from({ length: 20 }, send));
  assert.equal(new Set(images.map(({ id }) => id)).size, 20);
});

test('a body of one byte a second is ended, and leaves nothing', async () => {
  const { answer, left } = await crawling;
  assert.match(answer, /^408 .*"request_timeout"/);
  assert.deepEqual(left, { incoming: [], blobs: [] });
});

test('nothing in all this was a fault of the service', async () => {
  const faults = service.log.filter(({ level }) => level === 'ERROR');
  assert.deepEqual(faults, []);
  assert.equal((await api('/health')).status, 200);
});

const FORM_HEAD = REQUIRED.map(
  ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
)
  .concat('--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n')
  .join('');

/** A whole form body with boundary `b`; the name of the file goes in as it is. */
function multipart(file: Uint8Array, filename: string): Buffer {
  const head = FORM_HEAD.replace('"a.png"', () => `"${filename}"`);
  return Buffer.concat([Buffer.from(head), file, Buffer.from('\r\n--b--\r\n')]);
}

function sendForm(body: Uint8Array): Promise<Response> {
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  return api(IMAGES, { method: 'POST', body, headers });
}

/** A request whose body is written piece by piece; the answer is its status and body. */
function open(method: 'POST' | 'PUT', headers: Record<string, string>, { url } = service) {
  const type = method === 'POST' ? 'multipart/form-data; boundary=b' : 'image/png';
  const request = httpRequest(url + (method === 'POST' ? IMAGES : CONTENT), {
    method,
    headers: { 'content-type': type, ...headers },
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  request.on('error', () => resolve('the connection broke'));
  request.on('response', async (response: IncomingMessage) => {
    const body = (await response.setEncoding('utf8').toArray()).join('');
    resolve(`${response.statusCode} ${body}`);
  });
  return { request, answer: promise };
}

/** Sends one byte a second to a service of its own. */
async function crawl() {
  await using crawled = await startService();
  const { request, answer } = open('PUT', { 'content-length': '100000' }, crawled);
  const bytes = await png(64, 64);
  let sent = 0;
  const timer = setInterval(() => request.write(bytes.subarray(sent, ++sent)), 1_000);
  const told = await answer;
  clearInterval(timer);
  request.destroy();
  await eventually(async () => {
    assert.deepEqual((await contentsOf(crawled.dataDir)).incoming, []);
  });
  const { incoming, blobs } = await contentsOf(crawled.dataDir);
  return { answer: told, left: { incoming, blobs } };
}
