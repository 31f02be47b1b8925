import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { mock, type TestContext, test } from 'node:test';
import { boundConnections } from '../../src/http/connections.ts';
import { SlowReaders } from '../../src/http/slow-readers.ts';
import { eventually } from '../services/data-folder.ts';

/** Of connections.ts and slow-readers.ts. */
const READ_WINDOW_MS = 30_000;
const READER_LOOK_MS = 1_000;
const [HERE, THERE] = ['127.0.0.1', '127.0.0.2'];
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

// What is looked at, and when, is up to the tests.
mock.timers.enable({ apis: ['setInterval'] });

test('in a full server a new connection displaces the one that has been idle for longest', async (t) => {
  const { open, ask } = await serving(t, { connections: 3 });
  const [asked, silent, halfway] = [await open(), await open(), await open()];
  await ask(asked);
  halfway.write('GET / HTTP/1.1\r\nX: ');
  await ask(await open());
  await eventually(() => assert.ok(silent.closed));
  assert.ok(!asked.closed);
});

test('connections whose request is being answered are not displaced, and then a new one is closed', async (t) => {
  const { open, kept } = await serving(t, { connections: 2 });
  const busy = [await open(), await open()];
  for (const socket of busy) socket.write('GET /kept HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually(() => assert.equal(kept.length, 2));
  const late = await open();
  await eventually(() => assert.ok(late.closed));
  for (const response of kept) response.end();
  await Promise.all(busy.map((socket) => once(socket, 'data')));
});

test('an address with more than half of the connections gives way first', async (t) => {
  const { open, ask } = await serving(t, { connections: 4 });
  const few = await open(THERE);
  const many = [await open(), await open(), await open()];
  await ask(await open());
  await eventually(() => assert.ok(many[0]!.closed));
  assert.ok(!few.closed);
  await ask(few);
});

test('a connection that ended makes room', async (t) => {
  const { server, open, ask } = await serving(t, { connections: 2 });
  const [stays, leaves] = [await open(), await open()];
  leaves.destroy();
  await eventually(async () => assert.equal(await connectionsOf(server), 1));
  await ask(await open());
  await ask(stays);
});

test('a client that stops reading its answer is cut, one that reads is not', async (t) => {
  const { open, stuck } = await serving(t, { connections: 9 });
  const [stops, reads] = [await open(), await open()];
  for (const socket of [stops, reads]) socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  let read = 0;
  reads.on('data', (chunk) => {
    read += chunk.length;
  });
  await eventually(() => assert.ok(stuck(stops)));
  for (let look = 0; look < 2; look += 1) {
    const before = read;
    await eventually(() => assert.ok(read > before + 10_000_000));
    mock.timers.tick(READ_WINDOW_MS);
  }
  stops.resume();
  await eventually(() => assert.ok(stops.closed));
  assert.ok(!reads.closed);
});

test('of more slow readers than may be the slowest are cut, and none that reads', async (t) => {
  const { open, stuck } = await serving(t, { connections: 9, readers: 1 });
  const slow = [await open(), await open()];
  const reads = await open();
  for (const socket of [...slow, reads]) {
    socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  }
  let read = 0;
  reads.on('data', (chunk) => {
    read += chunk.length;
  });
  await eventually(() => assert.ok(slow.every(stuck)));
  for (let look = 0; look < 12; look += 1) {
    const before = read;
    await eventually(() => assert.ok(read > before + 2_000_000));
    mock.timers.tick(READER_LOOK_MS);
  }
  for (const socket of slow) socket.resume();
  await eventually(() => assert.equal(slow.filter(({ closed }) => closed).length, 1));
  assert.ok(!reads.closed);
});

async function serving(t: TestContext, max: { connections: number; readers?: number }) {
  const kept: ServerResponse[] = [];
  const readers = new SlowReaders(max.readers);
  const accepted = new Map<number, Socket>();
  const server = createServer(({ url, socket }, response) => {
    accepted.set(socket.remotePort!, socket);
    if (url === '/kept') return void kept.push(response);
    if (url === '/') return void response.end('done');
    readers.watch(response);
    Readable.from(endless(), { objectMode: false }).pipe(response);
  });
  boundConnections(server, max.connections);
  await once(server.listen(0, '0.0.0.0'), 'listening');
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return {
    server,
    kept,
    /** Connected, and known to the server. */
    async open(localAddress = HERE): Promise<Socket> {
      const known = once(server, 'connection');
      const socket = connect({ port, host: localAddress, localAddress });
      socket.on('error', () => {});
      t.after(() => socket.destroy());
      await known;
      return socket;
    },
    async ask(socket: Socket): Promise<void> {
      socket.write(GET);
      let text = '';
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        text += chunk;
        if (text.includes('done')) return;
      }
      assert.fail('the connection ended');
    },
    /** The server has more for it than the kernel takes. */
    stuck: (socket: Socket) => (accepted.get(socket.localPort!)?.writableLength ?? 0) > 0,
  };
}

function* endless() {
  const chunk = Buffer.alloc(256 * 1024);
  for (;;) yield chunk;
}

function connectionsOf(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
