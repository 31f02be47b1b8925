import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { CONTENT_MAX_BYTES } from '../../src/contract/limits.ts';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { FORM_HEAD } from '../image-service/attacked.ts';
import { form, png, REQUIRED } from '../services/api.ts';
import { startEdge } from '../services/edge.ts';
import { joinStorage } from '../services/joined-storage.ts';

const broker = new MemoryBroker();
const joined = await joinStorage((appId) => broker.hub(appId), 'open-sesame');
after(() => joined[Symbol.asyncDispose]());
const edge = await startEdge({});
after(() => edge.close());
const limited = await startEdge({ settings: { RATE_LIMIT: '1' } });
after(() => limited.close());

const TYPE = 'Content-Type: multipart/form-data; boundary=b';
const TOKEN = 'Authorization: Bearer open-sesame';
const IMAGES = '/api/v2/images';
const CONTENT = `${IMAGES}/${randomUUID()}/content`;
const UPLOAD = `PUT /content/uploads/${randomUUID()}`;
const LENGTH = 300_000;
const TOO_LONG = `Content-Length: ${2 * CONTENT_MAX_BYTES}`;

type Refusal = { what: string; url?: string; line: string; headers?: string[]; status: number };
const REFUSALS: Refusal[] = [
  { what: 'the length', line: `POST ${IMAGES}`, headers: [TYPE, TOO_LONG], status: 413 },
  {
    what: 'the length of a raw body',
    line: `PUT ${CONTENT}`,
    headers: ['Content-Type: image/png', TOO_LONG],
    status: 413,
  },
  { what: 'the length of JSON', line: `PATCH ${IMAGES}/${randomUUID()}`, status: 413 },
  { what: 'the route', line: 'POST /nowhere', status: 404 },
  { what: 'the id', line: `PUT ${IMAGES}/no-id/content`, headers: [TYPE], status: 404 },
  { what: 'the method', line: `DELETE ${IMAGES}`, status: 405 },
  {
    what: 'the origin',
    line: `POST ${IMAGES}`,
    headers: [TYPE, 'Sec-Fetch-Site: cross-site'],
    status: 403,
  },
  { what: 'the host', line: `POST ${IMAGES}`, headers: [TYPE, 'Host: evil.example'], status: 403 },
  {
    what: 'the content type',
    line: `POST ${IMAGES}`,
    headers: ['Content-Type: text/plain'],
    status: 415,
  },
  {
    what: 'a missing boundary',
    line: `POST ${IMAGES}`,
    headers: ['Content-Type: multipart/form-data'],
    status: 400,
  },
  {
    what: 'the Idempotency-Key',
    line: `POST ${IMAGES}`,
    headers: [TYPE, 'Idempotency-Key: \xe9'],
    status: 400,
  },
  { what: 'the rate', url: limited.url, line: `POST ${IMAGES}`, headers: [TYPE], status: 429 },
  { what: 'the token', url: joined.url, line: UPLOAD, status: 403 },
  {
    what: 'the length at the content endpoint',
    url: joined.url,
    line: UPLOAD,
    headers: [TOKEN, TOO_LONG],
    status: 413,
  },
  {
    what: 'the operation id',
    url: joined.url,
    line: 'PUT /content/uploads/1',
    headers: [TOKEN],
    status: 400,
  },
  {
    what: 'the digest',
    url: joined.url,
    line: UPLOAD,
    headers: [TOKEN, 'Content-Digest: md5=:x:'],
    status: 400,
  },
];

// The first request within the minute is allowed.
await fetch(limited.url + IMAGES);

for (const { what, url = edge.url, line, headers = [], status } of REFUSALS) {
  const head = headOf(line, headers);

  test(`${what} alone is a refusal without 100 Continue, and the connection closes`, async (t) => {
    const socket = open(t, url);
    socket.write(head, 'latin1');
    const answer = await rest(socket);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} .*connection: close.*"code"`, 'is'));
  });

  test(`${what} alone is a refusal that a client reads which sends its body all the same`, async (t) => {
    const socket = open(t, url);
    socket.write(head, 'latin1');
    const written = Promise.withResolvers<unknown>();
    socket.write(Buffer.alloc(LENGTH), written.resolve);
    assert.ok(!(await written.promise), 'the connection was reset');
    assert.match(await rest(socket), new RegExp(`^HTTP/1.1 ${status} .*"code"`, 's'));
  });
}

test('a body that is wanted is asked for, and its connection accepts more requests', async (t) => {
  const file = await png();
  const body = Buffer.concat([Buffer.from(FORM_HEAD), file, Buffer.from('\r\n--b--\r\n')]);
  const created = await fetch(edge.url + IMAGES, {
    method: 'POST',
    body: form(['image', await png()], ...REQUIRED),
  });
  const { id } = (await created.json()) as { id: string };
  const json = 'Content-Type: application/json';
  const patch = Buffer.from('{"name":"Mira"}');
  const wanted: [string, string, string[], Buffer, number][] = [
    [edge.url, `POST ${IMAGES}`, [TYPE], body, 201],
    [edge.url, `PUT ${IMAGES}/${id}/content`, ['Content-Type: image/png'], await png(), 200],
    [edge.url, `PUT ${IMAGES}/${id}/content`, [TYPE], body.subarray(FILE_START), 200],
    [edge.url, `PATCH ${IMAGES}/${id}`, [json], patch, 200],
    [joined.url, UPLOAD, [TOKEN], file, 201],
  ];
  for (const [url, line, headers, bytes, status] of wanted) {
    const socket = open(t, url);
    for (const _ of ['first', 'again']) {
      socket.write(headOf(line, [...headers, `Content-Length: ${bytes.length}`]));
      assert.equal(await text(socket, /\r\n\r\n$/), 'HTTP/1.1 100 Continue\r\n\r\n', line);
      socket.write(bytes);
      const answer = await text(socket, /\}$/);
      assert.match(answer, new RegExp(`^HTTP/1.1 (${status}|200) `), line);
      assert.doesNotMatch(answer, /^connection: close/im);
    }
    socket.destroy();
  }
});

test('a request without a body gets no 100 Continue, whatever it expects', async (t) => {
  for (const headers of [[], ['Content-Length: 0']]) {
    const socket = open(t, edge.url);
    socket.write(
      ['GET /health HTTP/1.1', 'Host: localhost', 'Expect: 100-continue', ...headers, '', ''].join(
        '\r\n',
      ),
    );
    assert.match(await text(socket, /\}$/), /^HTTP\/1.1 200 /);
  }
});

const FILE_START = FORM_HEAD.lastIndexOf('--b\r\n');

function headOf(line: string, headers: readonly string[]): string {
  const given = (name: string) => headers.some((header) => header.startsWith(name));
  const lines = [
    `${line} HTTP/1.1`,
    ...(given('Host:') ? [] : ['Host: localhost']),
    ...(given('Content-Type:') || !line.startsWith('PATCH')
      ? []
      : ['Content-Type: application/json']),
    ...(given('Content-Length:') ? [] : [`Content-Length: ${LENGTH}`]),
    ...headers,
    'Expect: 100-continue',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function open(t: TestContext, url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.setEncoding('latin1').on('error', () => {});
  t.after(() => socket.destroy());
  return socket;
}

/** What comes until it ends as `end` says. */
async function text(socket: Socket, end: RegExp): Promise<string> {
  let all = '';
  while (!end.test(all)) {
    const chunk: unknown = socket.read();
    if (chunk === null) await once(socket, 'readable');
    else all += chunk;
  }
  return all;
}

/** What comes until the other side ends the connection. */
async function rest(socket: Socket): Promise<string> {
  return (await Array.fromAsync(socket.iterator({ destroyOnReturn: false }))).join('');
}
