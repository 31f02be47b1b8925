import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, describe, test } from 'node:test';
import type { DependencyHealth } from '../../src/contract/health.ts';
import { startImages, startStorage } from '../services/two-services.ts';

type Body = { status: string; reason?: string; dependencies: Record<string, DependencyHealth> };

/** Nothing listens there. */
const HUB = { MESSAGE_HUB_URL: 'amqp://127.0.0.1:1' };
const TOKEN = { STORAGE_SERVICE_TOKEN: 'a-secret-of-some-length' };

const storage = await startStorage({ ...HUB, ...TOKEN });
after(() => storage[Symbol.asyncDispose]());

async function get(url: string, path: string) {
  const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
  return { code: response.status, body: (await response.json()) as Body };
}

/** What an Image Service with this address and token says of its storage. */
async function seenAt(url: string, token?: string) {
  const env = { ...HUB, STORAGE_SERVICE_URL: url };
  await using images = await startImages(token ? { ...env, STORAGE_SERVICE_TOKEN: token } : env);
  const [{ body }, ready] = await Promise.all([
    get(images.url, '/health'),
    get(images.url, '/health/ready'),
  ]);
  assert.equal(ready.code, 503);
  return body.dependencies.storage!;
}

async function listening(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => server.close());
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering = (body: string, type = 'application/json') =>
  listening(
    createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(body);
    }),
  );

describe('health of a storage that is reached with', { concurrency: true }, () => {
  test('the right token is healthy, although the hub is unreachable', async () => {
    const seen = await seenAt(storage.url, TOKEN.STORAGE_SERVICE_TOKEN);
    assert.deepEqual(Object.keys(seen), ['status', 'latency_ms']);
    assert.equal(seen.status, 'healthy');
  });

  for (const [name, token] of [
    ['another token', 'quite-another-one'],
    ['no token', undefined],
  ] as const) {
    test(`${name} says that the token is wrong`, async () => {
      const { status, reason, detail } = await seenAt(storage.url, token);
      assert.deepEqual([status, reason], ['unhealthy', 'wrong_token']);
      assert.match(detail!, /STORAGE_SERVICE_TOKEN must be the same/);
    });
  }

  test('the address of an Image Service says so, and is not asked without an end', async () => {
    await using other = await startImages({ ...HUB, STORAGE_SERVICE_URL: storage.url });
    const { reason, detail } = await seenAt(other.url);
    assert.equal(reason, 'wrong_service');
    assert.match(detail!, /Image Service/);
  });

  test('the address of something else says so, whatever that answers', async () => {
    const urls = await Promise.all([
      answering('<h1>Welcome</h1>', 'text/html'),
      answering('{}'),
      answering('{"status":"healthy"}'),
      answering('null'),
      listening(createServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.6\r\n'))),
    ]);
    const seen = await Promise.all(urls.map((url) => seenAt(url)));
    for (const { reason } of seen) assert.equal(reason, 'wrong_service');
  });

  test('an address where nothing answers says so', async () => {
    assert.equal((await seenAt('http://127.0.0.1:1')).reason, 'unreachable');
    assert.equal((await seenAt('http://absent.invalid')).reason, 'unreachable');
  });

  test('an address that is silent says that there was no answer in time', async () => {
    const url = await listening(createServer(() => {}));
    assert.equal((await seenAt(url)).reason, 'timeout');
  });
});

test('a Storage Service whose hub is unreachable is live, ready and healthy, and says why the hub is not', async () => {
  for (const path of ['/health/live', '/health/ready', '/health']) {
    const { code, body } = await get(storage.url, path);
    assert.deepEqual([code, body.status], [200, 'healthy'], path);
  }
  const { message_hub } = (await get(storage.url, '/health')).body.dependencies;
  assert.equal(message_hub!.status, 'unhealthy');
  assert.equal(message_hub!.reason, 'unreachable');
  assert.doesNotMatch(message_hub!.detail!, /127\.0\.0\.1/);
});
