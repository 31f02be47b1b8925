import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ImageClient } from '../../client/client.ts';
import { AnsweredError, retryAfterMs, UnreachableError } from '../../client/problem.ts';
import { ServiceError } from '../../src/contract/errors.ts';

/** A server that misbehaves in the ways the real one does only now and then. */
async function faulty(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const image = { id: 'i-1', version: 1 };

test('a busy service is asked again, with the same key and the same body', async (t) => {
  const seen: { key: unknown; body: string }[] = [];
  const url = await faulty(t, async (request, response) => {
    const body = (await request.toArray()).join('');
    seen.push({ key: request.headers['idempotency-key'], body });
    if (seen.length === 1) return response.writeHead(429, { 'retry-after': '0' }).end();
    if (seen.length === 2) return response.writeHead(503).end('<h1>later</h1>');
    response.writeHead(201).end(JSON.stringify(image));
  });
  const fields = { type: 'map' as const, name: 'Cave', theme: 'horror', tags: ['a', 'b'] };
  const file = new File(['bytes'], 'say "cave".png');
  const { value } = await new ImageClient({ url }).create(fields, file);
  assert.deepEqual(value, image);
  assert.equal(seen.length, 3);
  assert.equal(new Set(seen.map(({ key }) => key)).size, 1);
  assert.match(String(seen[0]?.key), /^[0-9a-f-]{36}$/);
  assert.equal(new Set(seen.map(({ body }) => body)).size, 1);
  const body = seen[0]?.body ?? '';
  assert.match(body, /name="tags"\r\n\r\na\r\n.*name="tags"\r\n\r\nb\r\n/s);
  assert.match(body, /filename="say %22cave%22.png".*\r\n\r\nbytes\r\n--form-[0-9a-f-]+--\r\n$/s);
});

test('a connection that breaks, before or within the answer, is tried again', async (t) => {
  let requests = 0;
  const url = await faulty(t, (request, response) => {
    requests++;
    if (requests === 1) return request.socket.destroy();
    if (requests === 2) {
      response.writeHead(200, { 'content-length': 100 }).write('{"id":');
      return setImmediate(() => request.socket.destroy());
    }
    response.end(JSON.stringify(image));
  });
  assert.deepEqual(await new ImageClient({ url }).get('i-1'), image);
  assert.equal(requests, 3);
});

test('an error that would come again is thrown at once, as the service worded it', async (t) => {
  let requests = 0;
  const errors = [{ field: 'name', message: 'is required' }];
  const url = await faulty(t, (_, response) => {
    requests++;
    const problem = { code: 'invalid_request', detail: 'name is required.', status: 400, errors };
    response.writeHead(400, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify(problem));
  });
  await assert.rejects(new ImageClient({ url }).get('i-1'), (error) => {
    assert.ok(error instanceof ServiceError && error instanceof AnsweredError);
    assert.equal(error.code, 'invalid_request');
    assert.equal(error.message, 'name is required.');
    assert.deepEqual(error.errors, errors);
    assert.equal(error.status, 400);
    return true;
  });
  assert.equal(requests, 1);
});

test('patience ends: then the last failure is thrown', async (t) => {
  let requests = 0;
  const url = await faulty(t, (_, response) => {
    requests++;
    response
      .writeHead(503, { 'retry-after': '3600' })
      .end('{"code":"overloaded","detail":"Full."}');
  });
  const client = new ImageClient({ url, patienceMs: 60_000 });
  await assert.rejects(client.get('i-1'), { code: 'overloaded', message: 'Full.' });
  assert.equal(requests, 1);
});

test('nobody there, or nobody who answers in time, is unreachable', async (t) => {
  const silent = await faulty(t, () => {});
  const quick = { patienceMs: 0, readTimeoutMs: 50 };
  await assert.rejects(new ImageClient({ url: silent, ...quick }).get('i-1'), (error) => {
    assert.ok(error instanceof UnreachableError);
    assert.match(error.message, /none within 0.05 s/);
    return true;
  });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const nobody = new ImageClient({ url: `http://127.0.0.1:${port}`, patienceMs: 0 });
  await assert.rejects(nobody.get('i-1'), /No answer from http:\/\/127.0.0.1:\d+: .*ECONNREFUSED/);
});

test('after the signal for the last attempt nothing is tried again', async (t) => {
  const stop = new AbortController();
  let requests = 0;
  const url = await faulty(t, (_, response) => {
    requests++;
    response.on('close', () => stop.abort());
    response.writeHead(503).end();
  });
  await assert.rejects(new ImageClient({ url, lastAttempt: stop.signal }).get('i-1'), {
    status: 503,
  });
  assert.equal(requests, 1);
});

test('a file that changes before it is sent is no fault of the network', async (t) => {
  const url = await faulty(t, (request) => void request.resume());
  const folder = await mkdtemp(join(tmpdir(), 'changing-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'a.png');
  await writeFile(path, 'as it was');
  const content = await openAsBlob(path);
  await writeFile(path, 'and as it is');
  const creating = new ImageClient({ url }).create({ type: 'map', name: 'A', theme: 'x' }, content);
  await assert.rejects(creating, (error) => {
    assert.equal(((error as Error).cause as Error).name, 'NotReadableError');
    return true;
  });
});

test('an answer from something else is an error that says so', async (t) => {
  const url = await faulty(t, (_, response) => void response.end('<html>'));
  await assert.rejects(new ImageClient({ url }).get('i-1'), /answered 200 in a way/);
});

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.UTC(2026, 0, 31, 18);
  assert.equal(retryAfterMs('7', now), 7_000);
  assert.equal(retryAfterMs('Sat, 31 Jan 2026 18:00:09 GMT', now), 9_000);
  assert.equal(retryAfterMs('Sat, 31 Jan 2026 17:00:00 GMT', now), 0);
  assert.equal(retryAfterMs('soon', now), 0);
  assert.equal(retryAfterMs(null, now), 0);
});
