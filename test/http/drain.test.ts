import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, describe, mock, test } from 'node:test';
import { drain } from '../../src/http/drain.ts';

/** The bounds of drain.ts. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_MS = 5_000;
/** What is read at once, at the most. */
const CHUNK_BYTES = 1024 * 1024;

// Of Node's own timers none is one of these.
mock.timers.enable({ apis: ['setTimeout'] });

const server = createServer(refuse).listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => server.close().closeAllConnections());

/** Takes the begin of a body as an upload does, lets it go, and answers. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  const taker = request.pipe(new PassThrough());
  if (request.url === '/dropped') setImmediate(() => taker.destroy());
  drain(request);
  response.writeHead(413, { 'content-length': '2' }).end('no');
}

type Refused = { socket: Socket; request: IncomingMessage; ended: Promise<void> };

/** A client that was answered and is still to send its body. */
async function refused(path: string, ...headers: string[]): Promise<Refused> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  const ended = new Promise<void>((resolve) => socket.once('end', resolve));
  const lines = [`PUT ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''];
  socket.write(lines.join('\r\n'));
  const [[request], [answer]] = (await Promise.all([
    once(server, 'request'),
    once(socket, 'data'),
  ])) as [[IncomingMessage], [Buffer]];
  assert.match(`${answer}`, /^HTTP\/1.1 413 .*no$/s);
  return { socket, request, ended };
}

const connections = () =>
  new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
async function gone(request: IncomingMessage): Promise<void> {
  // Not one of the mocked timers: what is never cut fails at once.
  const soon = { signal: AbortSignal.timeout(5_000) };
  if (!request.closed) await once(request, 'close', soon);
  if (!request.socket.closed) await once(request.socket, 'close', soon);
  assert.equal(await connections(), 0);
}

for (const connection of ['close', 'keep-alive']) {
  for (const path of ['/dropped', '/held-up']) {
    describe(`a refused body that was ${path.slice(1)}, with Connection: ${connection}`, () => {
      const open = (bytes: number) =>
        refused(path, `Connection: ${connection}`, `Content-Length: ${bytes}`);

      test('is answered before it is sent, and read to its end', async () => {
        const bytes = MAX_BYTES - 1;
        const { socket, request, ended } = await open(bytes);
        socket.write(Buffer.alloc(bytes));
        await once(request, 'end');
        if (connection === 'close') await ended;
        else socket.destroy();
        await gone(request);
      });

      test('is cut when too much comes', async () => {
        const { socket, request } = await open(2 * MAX_BYTES);
        socket.write(Buffer.alloc(2 * MAX_BYTES));
        await gone(request);
        const { bytesRead } = request.socket;
        assert.ok(bytesRead > MAX_BYTES && bytesRead < MAX_BYTES + CHUNK_BYTES, `${bytesRead}`);
      });

      test('is cut when it does not come in time', async () => {
        const { socket, request } = await open(1_000);
        mock.timers.tick(MAX_MS - 1);
        assert.equal(request.destroyed, false);
        mock.timers.tick(1);
        await gone(request);
        socket.destroy();
      });

      test('is forgotten when its sender leaves', async () => {
        const { socket, request } = await open(1_000);
        socket.write('some');
        socket.destroy();
        await gone(request);
      });
    });
  }
}

test('a connection goes on after a refused body, however long, and closes when asked to', async () => {
  const { socket, request, ended } = await refused('/dropped', 'Content-Length: 4');
  socket.write('body');
  await once(request, 'close');
  mock.timers.tick(2 * MAX_MS);
  socket.write('PUT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [answer] = await once(socket, 'data');
  assert.match(`${answer}`, /^HTTP\/1.1 413 /);
  await ended;
  await gone(request);
});
