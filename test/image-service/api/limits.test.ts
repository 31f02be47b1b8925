import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { CONTENT_MAX_BYTES } from '../../../src/contract/limits.ts';
import { checkedApi, create, form, png, problem, REQUIRED } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

const service = await startService({ UPLOADS_MAX: '4' });
after(() => service.close());
const api = await checkedApi(service.url);

const PATH = '/api/v2/images';
const FIELDS = REQUIRED.map(
  ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
).join('');
const FILE = `${FIELDS}--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n`;

/** A bare connection: what `fetch` is too well-behaved to send. */
function open(...lines: string[]): { socket: Socket; answer: Promise<string> } {
  const socket = connect(service.port, '127.0.0.1');
  socket.setEncoding('latin1').on('error', () => {});
  let text = '';
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on('data', (chunk) => {
    text += chunk;
    const [head, body] = text.split('\r\n\r\n');
    const length = /content-length: (\d+)/i.exec(head!)?.[1];
    if (body !== undefined && body.length >= Number(length)) resolve(text);
  });
  socket.on('close', () => resolve(text));
  if (lines.length > 0) socket.write(`${lines.join('\r\n')}\r\n`);
  return { socket, answer: promise };
}
const post = (...headers: string[]) =>
  open(
    `POST ${PATH} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: multipart/form-data; boundary=b',
    ...headers,
    '',
  );
const incoming = () => readdir(`${service.dataDir}/incoming`);
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(setImmediate);
}
const stored = async () => ((await (await api(PATH)).json()) as { items: unknown[] }).items.length;

describe('an upload', { concurrency: true }, () => {
  test('that declares too many bytes is refused before they are read', async () => {
    const { socket, answer } = post(`Content-Length: ${10 * CONTENT_MAX_BYTES}`);
    assert.match(await answer, /^HTTP\/1.1 413 .*"content_too_large"/s);
    socket.destroy();
  });

  test('without end is refused at the limit and then cut off, and its sender can read why', async () => {
    const { socket, answer } = post('Transfer-Encoding: chunked');
    const chunk = (bytes: Buffer) =>
      socket.write(
        Buffer.concat([
          Buffer.from(`${bytes.length.toString(16)}\r\n`),
          bytes,
          Buffer.from('\r\n'),
        ]),
      );
    chunk(Buffer.from(FILE));
    chunk((await png(64, 64)).subarray(0, 1000));
    const filler = Buffer.alloc(256 * 1024, 7);
    // It goes on after the answer, until it is cut off.
    const cut = new Promise((resolve) => socket.once('close', resolve));
    while (!socket.destroyed) {
      if (chunk(filler)) await new Promise(setImmediate);
      else await Promise.race([cut, once(socket, 'drain').catch(() => {})]);
    }
    assert.match(await answer, /^HTTP\/1.1 413 .*"content_too_large"/s);
  });

  test('of one byte too many is refused whole, never cut', async () => {
    const head = (await png(64, 64)).subarray(0, 1000);
    const big = Buffer.concat([head, Buffer.alloc(CONTENT_MAX_BYTES + 1 - head.length)]);
    const response = await api(PATH, { method: 'POST', body: form(['image', big], ...REQUIRED) });
    await problem(response, 413, 'content_too_large');
  });

  test('that crawls is ended, and its slot is free again', async () => {
    const { socket, answer } = post('Content-Length: 100000');
    socket.write(FILE);
    const crawl = setInterval(() => socket.write('x'), 1000);
    assert.match(await answer, /^HTTP\/1.1 408 .*"request_timeout"/s);
    clearInterval(crawl);
    socket.destroy();
  });
});

test('no more uploads than the set number flow at once, and their slots come back', async (t) => {
  const flowing = Array.from({ length: 5 }, () => post(`Content-Length: ${CONTENT_MAX_BYTES}`));
  const head = Buffer.concat([Buffer.from(FILE), (await png(64, 64)).subarray(0, 1_000)]);
  for (const { socket } of flowing) socket.write(head);
  const flow = setInterval(() => {
    for (const { socket } of flowing) socket.write(Buffer.alloc(20_000));
  }, 50);
  t.after(() => clearInterval(flow));
  const answer = await Promise.race(flowing.map((each) => each.answer));
  assert.match(answer, /^HTTP\/1.1 503 .*retry-after: .*"overloaded"/s);
  const upload = async () =>
    api(PATH, { method: 'POST', body: form(['image', await png()], ...REQUIRED) });
  const refused = await upload();
  assert.ok(refused.headers.get('retry-after'));
  await problem(refused, 503, 'overloaded');

  for (const { socket } of flowing) socket.destroy();
  await until(async () => (await upload()).status === 201);
});

test('clients that trickle, however they do it, keep nobody from uploading', async (t) => {
  const { id } = await create(api);
  const file = await png(64, 64);
  const kinds: [line: string, begin: string | Buffer, ...headers: string[]][] = [
    [`POST ${PATH}`, ''],
    [`POST ${PATH}`, '', 'Expect: 100-continue'],
    [`POST ${PATH}`, `${FILE}some`],
    [`POST ${PATH}`, FIELDS.slice(0, -10)],
    [`POST ${PATH}`, Buffer.concat([Buffer.from(FILE), file, Buffer.from('\r\n--b\r\n')])],
    [`PUT ${PATH}/${id}/content`, `${FILE.slice(FIELDS.length)}some`],
    [`PUT ${PATH}/${id}/content`, file.subarray(0, 100), 'Content-Type: image/png'],
  ];
  for (const [line, begin, ...headers] of [kinds, kinds, kinds].flat()) {
    const type = 'Content-Type: multipart/form-data; boundary=b';
    const typed = headers.some((header) => header.startsWith('Content-Type'));
    const lines = [...(typed ? [] : [type]), ...headers, 'Content-Length: 1000000'];
    const { socket } = open(`${line} HTTP/1.1`, 'Host: localhost', ...lines, '');
    t.after(() => socket.destroy());
    socket.write(begin);
  }
  await until(async () => (await incoming()).length >= 9);
  for (let n = 0; n < 3; n += 1) {
    await create(api);
    const path = `${PATH}/${id}/content`;
    const body = await png();
    const headers = { 'content-type': 'image/png' };
    const raw = await api(path, { method: 'PUT', body: new Uint8Array(body), headers });
    const inForm = await api(path, { method: 'PUT', body: form(['image', await png()]) });
    assert.deepEqual([raw.status, inForm.status], [200, 200]);
  }
});

test('a client that leaves half-way leaves nothing behind', async () => {
  const before = await stored();
  const { socket } = post('Content-Length: 500000');
  socket.write(Buffer.concat([Buffer.from(FILE), await png(64, 64)]));
  await until(async () => (await incoming()).length === 1);
  socket.destroy();
  await until(async () => (await incoming()).length === 0);
  assert.equal(await stored(), before);
});

test('headers over 16 KiB are 431, what is no HTTP is 400', async () => {
  const large = open('GET / HTTP/1.1', 'Host: localhost', `X: ${'x'.repeat(20_000)}`, '');
  assert.match(await large.answer, /^HTTP\/1.1 431 .*"headers_too_large"/s);
  for (const line of ['nonsense', 'GET / HTTP/9.9', 'GET /\0 HTTP/1.1']) {
    assert.match(await open(line, 'Host: localhost', '').answer, /^HTTP\/1.1 400 .*problem/s, line);
  }
});

test('unknown addresses are 404, other methods 405 with those that are taken', async () => {
  const { id } = await create(api);
  await problem(await api('/nowhere'), 404, 'not_found');
  await problem(await api('/docs/static/nothing.js'), 404, 'not_found');
  await problem(await api('/api/v2/images/%zz'), 400, 'invalid_request');
  for (const [method, path, allow] of [
    ['DELETE', PATH, 'GET, HEAD, POST, OPTIONS'],
    ['POST', `${PATH}/${id}`, 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
    ['POST', `${PATH}/${id}/content`, 'GET, HEAD, PUT, OPTIONS'],
    ['GET', `${PATH}/${id}/restore`, 'POST, OPTIONS'],
    ['PUT', '/health', 'GET, HEAD, OPTIONS'],
  ] as const) {
    const response = await api(path, { method });
    assert.equal(response.headers.get('allow'), allow);
    await problem(response, 405, 'method_not_allowed');
    const options = await api(path, { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [204, allow]);
  }
});

test('an address that is nearly right is told what would be right', async () => {
  const { id } = await create(api);
  for (const [wrong, right] of [
    ['/images', PATH],
    ['/api/images?limit=3', PATH],
    ['/api/v1/images', PATH],
    ['/v2/images/', PATH],
    ['//api/v2/images', PATH],
    ['/API/V2/Images', PATH],
    [`/api/v2/image/${id}`, `${PATH}/${id}`],
    [`/api/v2/images//${id}//content`, `${PATH}/${id}/content`],
    ['/api/v1/theme/fantasy', '/api/v2/themes/fantasy'],
    ['/api/v2/health', '/health'],
    ['/healthz', '/health/live'],
    ['/swagger-ui/', '/docs'],
    ['/openapi', '/openapi.json'],
  ] as const) {
    const { detail } = await problem(await api(wrong), 404, 'not_found');
    assert.ok(detail.includes(`Did you mean ${right}?`), `${wrong}: ${detail}`);
    assert.ok((await fetch(service.url + right)).ok);
  }
  for (const path of ['/nowhere', '/api/v2', '/api', `/images/${'a'.repeat(500)}`, '/__proto__']) {
    const { detail } = await problem(await api(path), 404, 'not_found');
    assert.doesNotMatch(detail, /Did you mean/, path);
  }
});

test('a slash at the end is no difference', async () => {
  const image = await create(api);
  for (const path of [PATH, `${PATH}/${image.id}`, `${PATH}/${image.id}/content`, '/health']) {
    assert.equal((await fetch(`${service.url}${path}/`)).status, 200, path);
  }
  const body = JSON.stringify({ name: 'x' });
  const headers = { 'content-type': 'application/json' };
  const patched = await fetch(`${service.url}${PATH}/${image.id}/`, {
    method: 'PATCH',
    body,
    headers,
  });
  assert.equal(patched.status, 200);
});

test('nothing in all this was a fault of the service', () => {
  assert.deepEqual(
    service.log.filter(({ level }) => level === 'ERROR'),
    [],
  );
});
