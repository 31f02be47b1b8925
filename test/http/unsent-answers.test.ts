import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { closeInTime } from '../../src/http/close-in-time.ts';
import { answerSocketError } from '../../src/http/problem.ts';
import { eventually } from '../services/data-folder.ts';

/** More than the kernel takes for a reader that does not read. */
const ANSWER_BYTES = 24 * 1024 * 1024;
/** Of close-in-time.ts. */
const CLOSE_MAX_MS = 10_000;
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('a server that closes sends what a slow reader has not got yet, then closes all', async (t) => {
  const { server, port, bytes } = await serving(t);
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const idleEnded = once(idle.resume(), 'close');
  const slow = connect(port, '127.0.0.1');
  slow.write(GET);
  await once(slow, 'readable');
  const closed = server.close();
  await eventually(() => refuses(port));
  assert.equal((await bytes(slow)).length, ANSWER_BYTES);
  await Promise.all([closed, idleEnded]);
});

test('what was answered is sent although something malformed came behind the request', async (t) => {
  const { port, bytes } = await serving(t);
  const client = connect(port, '127.0.0.1');
  client.write(`${GET}\0malformed\r\n\r\n`);
  assert.equal((await bytes(client)).length, ANSWER_BYTES);
});

test('a server that closes cuts a request that does not end when its time is over', async (t) => {
  const { server, port } = await serving(t);
  const asked = Promise.withResolvers<void>();
  server.server.on('request', () => asked.resolve());
  const client = connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => client.destroy());
  client.write(GET.replace('/', '/never'));
  await asked.promise;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let closed = false;
  void server.close().then(() => {
    closed = true;
  });
  for (let turn = 0; turn < 100 && !closed; turn += 1) {
    t.mock.timers.tick(CLOSE_MAX_MS / 50);
    await new Promise(setImmediate);
  }
  assert.ok(closed);
});

async function serving(t: TestContext) {
  const server = Fastify({ clientErrorHandler: answerSocketError, forceCloseConnections: 'idle' });
  closeInTime(server);
  const answer = Buffer.alloc(ANSWER_BYTES);
  server.get('/', (_request, reply) => reply.send(answer));
  server.get('/never', () => new Promise(() => {}));
  await server.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => {
    server.server.closeAllConnections();
    return server.close();
  });
  const { port } = server.server.address() as AddressInfo;
  /** The body of the only answer that comes until the connection ends. */
  const bytes = async (from: AsyncIterable<Buffer>) => {
    const all = Buffer.concat(await Array.fromAsync(from));
    return all.subarray(all.indexOf('\r\n\r\n') + 4);
  };
  return { server, port, bytes };
}

async function refuses(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' });
  } finally {
    socket.destroy();
  }
}
