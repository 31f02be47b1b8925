import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { mock, type TestContext, test } from 'node:test';
import { networkOf } from '../../src/http/network-of.ts';
import { UploadGate } from '../../src/http/upload-gate.ts';
import { eventually } from '../services/data-folder.ts';

/** Of upload-gate.ts: after so much time without bytes an upload no longer flows. */
const SECOND_MS = 1_250;
const LOOK_MS = 250;
/** More than a second's worth of a flowing upload. */
const FLOW_BYTES = 100_000;
const ENDLESS = 10_000_000;
const [HERE, THERE] = ['127.0.0.1', '127.0.0.2'];

// What is looked at, and when, is up to the tests.
mock.timers.enable({ apis: ['setInterval'] });

test('uploads that trickle hold no slots: others are let in', async (t) => {
  const { gate, trickle, flow } = await opened(t, { flowing: 2, slow: 4 });
  for (let n = 0; n < 4; n += 1) await trickle();
  const whole = [await flow(10), await flow(10)];
  mock.timers.tick(LOOK_MS);
  assert.deepEqual(gate.load, { flowing: 2, slow: 4 });
  assert.deepEqual(whole.map(statusOf), ['', '']);
});

test('an upload has a slot while it flows, and no longer', async (t) => {
  const { gate, flow } = await opened(t, { flowing: 1, slow: 4 });
  const early = await flow(ENDLESS);
  mock.timers.tick(LOOK_MS);
  assert.deepEqual(gate.load, { flowing: 1, slow: 0 });
  assert.equal(await refusal(await flow(10)), '503 overloaded');
  mock.timers.tick(SECOND_MS);
  await flow(10);
  mock.timers.tick(LOOK_MS);
  assert.deepEqual(gate.load, { flowing: 1, slow: 1 });
  await send(early, FLOW_BYTES);
  mock.timers.tick(LOOK_MS);
  assert.equal(statusOf(early), '', 'whoever had a slot goes on without one');
});

test('an upload that starts to flow when all slots are taken is refused', async (t) => {
  const { trickle, flow } = await opened(t, { flowing: 1, slow: 4 });
  const late = await trickle();
  await flow(10);
  mock.timers.tick(LOOK_MS);
  await send(late, FLOW_BYTES);
  mock.timers.tick(LOOK_MS);
  assert.equal(await refusal(late), '503 overloaded');
});

test('where no place is left, a newcomer displaces the slowest, which is told so', async (t) => {
  const { trickle, flow } = await opened(t, { flowing: 1, slow: 2 });
  const [first, slowest, third] = [await trickle(), await trickle(), await trickle()];
  assert.equal(await refusal(await flow(10)), '503 overloaded', 'all are new');
  mock.timers.tick(SECOND_MS);
  await Promise.all([send(first, 2_000), send(third, 1_000)]);
  const newcomer = await flow(10);
  assert.equal(await refusal(slowest), '503 overloaded');
  assert.match(slowest.text, /the slowest/);
  assert.deepEqual([first, third, newcomer].map(statusOf), ['', '', '']);
});

test('an address with more than half of the slots gives way to another, not to itself', async (t) => {
  const { flow } = await opened(t, { flowing: 3, slow: 4 });
  const own = [await flow(ENDLESS), await flow(ENDLESS), await flow(ENDLESS)];
  assert.equal(await refusal(await flow(10)), '503 overloaded');
  await send(own[0]!, FLOW_BYTES);
  await send(own[2]!, FLOW_BYTES);
  const other = await flow(10, THERE);
  mock.timers.tick(LOOK_MS);
  assert.equal(await refusal(own[1]!), '503 overloaded');
  assert.deepEqual([own[0]!, own[2]!, other].map(statusOf), ['', '', '']);
});

test('an address with more than half of the other places gives way first', async (t) => {
  const { trickle } = await opened(t, { flowing: 0.5, slow: 3.5 });
  const few = await trickle(THERE);
  const many = [await trickle(), await trickle(), await trickle()];
  mock.timers.tick(SECOND_MS);
  for (const each of many) await send(each, 1_000);
  await trickle(THERE);
  assert.equal(await refusal(many[0]!), '503 overloaded');
  assert.equal(statusOf(few), '');
});

test('nothing is left of an upload that ended, whichever way', async (t) => {
  const { gate, flow, finish } = await opened(t, { flowing: 4, slow: 4 });
  const started = t.mock.method(globalThis, 'setInterval');
  const cleared = t.mock.method(globalThis, 'clearInterval');
  const left = await flow(ENDLESS);
  const failed = await flow(10);
  const ended = await flow(10);
  assert.equal(gate.load.flowing + gate.load.slow, 3);
  left.socket.destroy();
  finish(failed, new Error('refused'));
  finish(ended);
  await eventually(() => assert.deepEqual(gate.load, { flowing: 0, slow: 0 }));
  for (const { request } of [left, failed, ended]) {
    assert.equal(request.listenerCount('close'), 0);
  }
  const timers = started.mock.calls.map(({ result }) => result);
  const ends = new Set(cleared.mock.calls.map(({ arguments: [timer] }) => timer));
  assert.ok(timers.length >= 4, 'the gate and each upload have a timer');
  assert.ok(timers.every((timer) => ends.has(timer)));
});

test('a client is an IPv4 address, or an IPv6 network of 64 bits', () => {
  assert.equal(networkOf('::ffff:10.0.0.1'), networkOf('10.0.0.1'));
  assert.notEqual(networkOf('10.0.0.1'), networkOf('10.0.0.2'));
  assert.equal(networkOf('2001:db8::1'), networkOf('2001:0DB8:0:0:ffff:1:2:3'));
  assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'));
  assert.equal(networkOf('fe80::1%eth0'), networkOf('fe80::2'));
  assert.notEqual(networkOf('::1'), networkOf('1::'));
});

type Sender = { socket: Socket; request: IncomingMessage; text: string };

/** A server whose gate lets bodies in, and keeps each until the test lets it go. */
async function opened(t: TestContext, bounds: { flowing: number; slow: number }) {
  const gate = new UploadGate(bounds);
  const kept = new Map<IncomingMessage, PromiseWithResolvers<void>>();
  const server = createServer(async (request, response) => {
    const receive = () => {
      const keeping = Promise.withResolvers<void>();
      kept.set(request, keeping);
      request.resume();
      return keeping.promise;
    };
    const address = request.socket.remoteAddress!;
    try {
      await gate.admit(request, address, receive);
      response.writeHead(201).end();
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      if (!response.destroyed) response.writeHead(503).end(`${code} ${message}`);
    }
  });
  await once(server.listen(0, '0.0.0.0'), 'listening');
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;

  /** Its request has arrived, and so many bytes of its body. */
  const start = async (length: number, bytes: number, localAddress: string): Promise<Sender> => {
    const socket = connect({ port, host: localAddress, localAddress });
    socket.setEncoding('latin1').on('error', () => {});
    socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
    const [request] = (await once(server, 'request')) as [IncomingMessage];
    const sender: Sender = { socket, request, text: '' };
    socket.on('data', (text) => {
      sender.text += text;
    });
    await send(sender, bytes);
    return sender;
  };
  return {
    gate,
    trickle: (address = HERE) => start(ENDLESS, 10, address),
    flow: (length: number, address = HERE) => start(length, Math.min(length, FLOW_BYTES), address),
    finish: ({ request }: Sender, error?: Error) =>
      error ? kept.get(request)!.reject(error) : kept.get(request)!.resolve(),
  };
}

/** They have arrived when it resolves. */
async function send({ socket, request }: Sender, bytes: number): Promise<void> {
  const end = request.socket.bytesRead + bytes;
  socket.write(Buffer.alloc(bytes));
  await eventually(() => assert.ok(request.socket.bytesRead >= end || socket.bytesRead > 0));
}

function statusOf({ text }: Sender): string {
  return text.slice(9, 12);
}

async function refusal(sender: Sender): Promise<string> {
  await eventually(() => assert.match(sender.text, /\r\n\r\n.+/s));
  const code = /^\w+ /m.exec(sender.text.split('\r\n\r\n')[1]!)?.[0];
  return `${statusOf(sender)} ${/overloaded/.test(sender.text) ? 'overloaded' : code}`;
}
