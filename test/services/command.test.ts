import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServiceProcess } from './service-process.ts';

const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'command-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
};

test('a closed terminal stops a service in order', async () => {
  await using data = await folder();
  const service = new ServiceProcess(data.path);
  await service.ready;
  process.kill(service.pid, 'SIGHUP');
  assert.equal(await service.exit, 0);
  assert.equal(service.log.at(-1)?.message, 'Stopped');
});

test('a second Ctrl-C does not wait for the requests that run; its echo by npm does', async () => {
  await using data = await folder();
  const service = new ServiceProcess(data.path);
  const { port } = new URL(await service.ready);
  const upload = connect(Number(port), '127.0.0.1').on('error', () => {});
  const head = 'PUT /api/v2/images/0/content HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n';
  upload.write(`${head}12345`);
  await fetch(`http://127.0.0.1:${port}/health/live`);
  process.kill(service.pid, 'SIGINT');
  process.kill(service.pid, 'SIGINT');
  let exited = false;
  service.exit.then(() => {
    exited = true;
  });
  const again = setInterval(() => exited || process.kill(service.pid, 'SIGINT'), 200);
  const code = await service.exit;
  clearInterval(again);
  upload.destroy();
  assert.equal(code, 130);
  assert.ok(service.log.some(({ message }) => String(message).startsWith('Stopping')));
});

test('a port that is taken is named, also where it is the default of the Storage Service', async (t) => {
  await using data = await folder();
  const taken = createServer().listen(8001, '127.0.0.1');
  t.after(() => taken.close());
  // Taken by another program will do as well.
  await Promise.race([once(taken, 'listening'), once(taken, 'error')]);
  const env = { PORT: '', MESSAGE_HUB_URL: 'amqp://127.0.0.1:1' };
  const service = new ServiceProcess(data.path, env, 'bin/storage-service.ts');
  assert.equal(await service.exit, 1);
  assert.match(service.stderr, /Cannot listen on 127\.0\.0\.1:8001 \(EADDRINUSE\)/);
});
