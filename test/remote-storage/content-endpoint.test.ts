import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { HOSTILE } from '../fixtures/hostile.ts';
import { png } from '../services/api.ts';
import { blobPath, DAMAGES } from '../services/damage.ts';
import { joinStorage } from '../services/joined-storage.ts';

const broker = new MemoryBroker();
const joined = await joinStorage((appId) => broker.hub(appId), 'open-sesame');
after(() => joined[Symbol.asyncDispose]());

const authorization = 'Bearer open-sesame';
const ask = (path: string, init: RequestInit & { duplex?: 'half' } = {}) =>
  fetch(`${joined.url}/${path}`, { ...init, headers: { authorization, ...init.headers } });
const put = (id: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  ask(`content/uploads/${id}`, { method: 'PUT', body, headers });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const digest = (bytes: Uint8Array) =>
  `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;
const image = async () => new Uint8Array(await png(40, 30));

async function refused(answer: Response, status: number, code: string): Promise<void> {
  const problem = (await answer.json()) as { code: string; detail: string };
  assert.deepEqual([answer.status, problem.code], [status, code], problem.detail);
  assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/);
}

test('bytes go in under an operation once, and are told of', async () => {
  const [id, bytes] = [randomUUID(), await image()];
  const answer = await put(id, bytes, { 'content-digest': digest(bytes) });
  assert.equal(answer.status, 201);
  const told = {
    sha256: sha256(bytes),
    size_bytes: bytes.length,
    media_type: 'image/png',
    width: 40,
    height: 30,
  };
  assert.deepEqual(await answer.json(), told);
  const again = await put(id, bytes);
  assert.equal(again.status, 200);
  assert.deepEqual(await again.json(), told);
  await refused(await put(id, await image()), 409, 'operation_id_reused');
});

test('bytes that are not those announced are refused, and not kept', async () => {
  const [id, bytes] = [randomUUID(), await image()];
  const other = { 'content-digest': digest(await image()) };
  await refused(await put(id, bytes, other), 400, 'invalid_request');
  const odd = { 'content-digest': 'md5=:xx:' };
  await refused(await put(id, bytes, odd), 400, 'invalid_request');
  await refused(await ask(`content/${sha256(bytes)}`), 404, 'not_found');
});

test('an operation id that is none is refused', async () => {
  await refused(await put('..%2f..%2fetc', await image()), 400, 'invalid_request');
});

test('whoever does not know the token is refused, but for the health', async () => {
  for (const authorization of ['', 'Bearer wrong', 'Basic open-sesame']) {
    const answer = await ask(`content/${'ab'.repeat(32)}`, { headers: { authorization } });
    await refused(answer, 403, 'request_forbidden');
  }
  assert.equal((await fetch(`${joined.url}/health`)).status, 200);
});

test('content comes out whole, in parts, and by HEAD', async () => {
  const bytes = await image();
  await put(randomUUID(), bytes);
  const path = `content/${sha256(bytes)}`;
  const whole = await ask(path);
  assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), bytes);
  assert.equal(whole.headers.get('etag'), `"${sha256(bytes)}"`);
  assert.equal(whole.headers.get('content-type'), 'image/png');
  const head = await ask(path, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), `${bytes.length}`);
  const parts: [string, Uint8Array][] = [
    ['bytes=5-9', bytes.subarray(5, 10)],
    ['bytes=-4', bytes.subarray(-4)],
    [`bytes=${bytes.length - 1}-`, bytes.subarray(-1)],
  ];
  for (const [range, expected] of parts) {
    const part = await ask(path, { headers: { range } });
    assert.equal(part.status, 206);
    assert.match(part.headers.get('content-range')!, new RegExp(`/${bytes.length}$`));
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), new Uint8Array(expected));
  }
  const beyond = await ask(path, { headers: { range: `bytes=${bytes.length}-` } });
  assert.equal(beyond.headers.get('content-range'), `bytes */${bytes.length}`);
  await refused(beyond, 416, 'range_not_satisfiable');
});

test('bytes that were dropped are gone', async () => {
  const [id, bytes] = [randomUUID(), await image()];
  await put(id, bytes);
  assert.equal((await ask(`content/uploads/${id}`, { method: 'DELETE' })).status, 204);
  await refused(await ask(`content/${sha256(bytes)}`), 404, 'not_found');
});

for (const { name, bytes, expected } of HOSTILE) {
  test(`hostile bytes are refused at this door too: ${name}`, async () => {
    const answer = await put(randomUUID(), new Uint8Array(await bytes()));
    const { code } = (await answer.json()) as { code: string };
    assert.ok((expected as string[]).includes(code), `${answer.status} ${code}`);
    assert.ok(answer.status >= 400 && answer.status < 500);
  });
}

test('a sender that only holds its place is sent away', { timeout: 30_000 }, async () => {
  const { hostname, port } = new URL(joined.url);
  const socket = connect({ host: hostname, port: Number(port) });
  const path = `/content/uploads/${randomUUID()}`;
  socket.write(
    `PUT ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 999\r\n\r\n`,
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.match(`${answer}`, /^HTTP\/1.1 408 .*request_timeout/s);
});

test('senders that trickle, more than may flow at once, keep nobody from sending', async (t) => {
  const { hostname, port } = new URL(joined.url);
  const arrived = Array.from({ length: 260 }, async () => {
    const socket = connect({ host: hostname, port: Number(port) });
    t.after(() => socket.destroy());
    const head = `PUT /content/uploads/${randomUUID()} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`;
    socket.write(`${head}Content-Length: 999\r\nExpect: 100-continue\r\n\r\n`);
    // It is let in once its body is asked for.
    assert.match(`${(await once(socket, 'data'))[0]}`, /^HTTP\/1.1 100 /);
  });
  await Promise.all(arrived);
  assert.equal((await put(randomUUID(), await image())).status, 201);
});

test('answers carry the id of their request', async () => {
  const headers = { 'x-request-id': 'abc-1' };
  const answer = await ask(`content/${'ab'.repeat(32)}`, { headers });
  assert.equal(answer.headers.get('x-request-id'), 'abc-1');
});

for (const [damage, cause] of Object.entries(DAMAGES)) {
  test(`bytes that are ${damage} leave by no door, and come back when they are sent again`, async () => {
    const bytes = await image();
    const hash = sha256(bytes);
    assert.equal((await put(randomUUID(), bytes)).status, 201);
    await cause(blobPath(joined.dataDir, hash));
    const whole = await ask(`content/${hash}`);
    assert.equal(whole.headers.get('etag'), null);
    await refused(whole, 503, 'content_damaged');
    const part = await ask(`content/${hash}`, { headers: { range: 'bytes=0-1' } });
    await refused(part, 503, 'content_damaged');
    assert.equal((await ask(`content/${hash}`, { method: 'HEAD' })).status, 503);
    const read = joined.storage.getContent(hash, null, {
      requestId: 'test',
      deadline: Date.now() + 10_000,
      signal: AbortSignal.timeout(10_000),
    });
    await assert.rejects(read, { code: 'content_damaged' });

    assert.equal((await put(randomUUID(), bytes)).status, 201);
    const healed = await ask(`content/${hash}`);
    assert.deepEqual(new Uint8Array(await healed.arrayBuffer()), bytes);
  });
}
