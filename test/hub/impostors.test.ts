import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, mock, test } from 'node:test';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { hubFault } from '../../src/hub/amqp/hub-fault.ts';
import { HubOutage } from '../../src/hub/amqp/hub-outage.ts';
import { eventually } from '../services/data-folder.ts';

type Line = Record<string, unknown> & { message: string };

/** Longer than any attempt to connect. */
const RUN_MAX_MS = 20_000;

function recorded() {
  const lines: Line[] = [];
  const note = (facts: object, message: string) => void lines.push({ ...facts, message });
  return { lines, log: { info: note, warn: note } };
}

/** Something that listens and is no broker. */
async function impostor(answer: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const END = 206;
const frame = (type: number, size: number, payload: Buffer) => {
  const head = Buffer.from([type, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(size, 3);
  return Buffer.concat([head, payload, Buffer.from([END])]);
};
const http = 'HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\n<h1>503</h1>\n';
const answering = (bytes: string | Buffer) => (socket: Socket) => void socket.end(bytes);

function endless(socket: Socket): void {
  const more = () => {
    while (socket.writable && socket.write(Buffer.alloc(64 * 1024, 'x')));
  };
  socket.on('drain', more);
  more();
}

const CASES: Record<string, [(socket: Socket) => void, string, RegExp?]> = {
  'an HTTP server': [
    answering(http),
    'wrong_service',
    /answered HTTP\/1\.0 503 Service Unavailable$/,
  ],
  'an SSH server': [
    answering('SSH-2.0-OpenSSH_9.6\r\n'),
    'wrong_service',
    /answered SSH-2\.0-OpenSSH/,
  ],
  'a greeting that would steer a terminal': [
    answering('ab\u001b[2Jcd'),
    'wrong_service',
    /ab\.\[2Jcd$/,
  ],
  'a port with TLS': [answering(Buffer.from('15030300020246', 'hex')), 'wrong_service', /amqps:/],
  'a broker of AMQP 1.0': [
    answering(Buffer.from('AMQP\0\x01\0\0')),
    'wrong_service',
    /not supported/,
  ],
  'a frame of 4 GB': [
    (socket) => void socket.write(frame(1, 0xffff_fffe, Buffer.alloc(9))),
    'wrong_service',
    /a frame of 4294967294 bytes/,
  ],
  'a frame that is garbage': [
    answering(frame(1, 9, Buffer.from('000a00ffffffffffff', 'hex'))),
    'wrong_service',
  ],
  'bytes without an end': [endless, 'wrong_service', /xxxx/],
  'a door that closes at once': [(socket) => void socket.end(), 'unreachable'],
  'a connection that is reset': [(socket) => void socket.resetAndDestroy(), 'unreachable'],
  silence: [() => {}, 'timeout'],
};

describe('at the address of the broker', { concurrency: true }, () => {
  for (const [name, [answer, reason, cause]] of Object.entries(CASES)) {
    test(`${name} is as a broker that is unreachable`, { timeout: RUN_MAX_MS }, async () => {
      await using there = await impostor(answer);
      const { lines, log } = recorded();
      const url = `amqp://someone:s3cret@127.0.0.1:${there.port}`;
      const hub = new AmqpHub({ url, appId: 'image_service', log });
      hub.receiveReplies(() => {});
      try {
        // Two connections, and each of them again.
        await eventually(() => assert.ok(there.connections() > 2 && lines.length > 0), RUN_MAX_MS);
        await assert.rejects(hub.ping(), { name: 'HealthError', reason });
        const [line] = lines;
        assert.deepEqual([line!.reason, lines.length], [reason, 1]);
        assert.equal(line!.address, `amqp://someone@127.0.0.1:${there.port}`);
        if (cause) assert.match((line!.err as Error).message, cause);
        assert.doesNotMatch(JSON.stringify(lines), /s3cret/);
      } finally {
        await hub.close();
      }
    });
  }

  test('a port without TLS is told from a broker with TLS', { timeout: RUN_MAX_MS }, async () => {
    await using there = await impostor(answering(frame(1, 9, Buffer.alloc(9))));
    const { lines, log } = recorded();
    const url = `amqps://127.0.0.1:${there.port}`;
    const hub = new AmqpHub({ url, appId: 'image_service', log });
    try {
      await eventually(() => assert.match(lines[0]?.message ?? '', /does not speak TLS/));
      await assert.rejects(hub.ping(), { reason: 'wrong_service' });
    } finally {
      await hub.close();
    }
  });

  test('a host name that does not exist is told', { timeout: RUN_MAX_MS }, async () => {
    const { lines, log } = recorded();
    const hub = new AmqpHub({ url: 'amqp://absent.invalid', appId: 'image_service', log });
    try {
      await eventually(() => assert.match(lines[0]?.message ?? '', /cannot be resolved/));
    } finally {
      await hub.close();
    }
  });
});

test('the client library still needs its frames bounded: alone, an HTTP answer ends the process', async () => {
  await using there = await impostor(answering(http));
  const program = `
    const { Connection } = require('rabbitmq-client');
    new Connection('amqp://127.0.0.1:${there.port}').on('error', () => {});
    setTimeout(() => process.exit(0), 3_000);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  assert.notEqual(code, 0, 'remove bounded-frames.ts if the library names what answered');
  assert.match(stderr, /ERR_OUT_OF_RANGE/);
});

test('an outage is told with its address when it begins, every minute, and when it ends', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const { lines, log } = recorded();
    const outage = new HubOutage('amqp://someone:s3cret@hub:5672/dnd?heartbeat=3', log);
    for (let attempt = 0; attempt < 5; attempt += 1) outage.failed(hubFault('unreachable'));
    mock.timers.tick(120_000);
    outage.failed(hubFault('wrong_password'));
    outage.failed(hubFault('unreachable'));
    outage.ended();
    outage.ended();
    mock.timers.tick(120_000);
    assert.deepEqual(
      lines.map(({ message, reason }) => [message.split(/[;.]/, 1)[0], reason]),
      [
        ['Nothing accepts connections at the address in MESSAGE_HUB_URL', 'unreachable'],
        ['The message hub is still unreachable', 'unreachable'],
        ['The message hub is still unreachable', 'unreachable'],
        ['The message hub refused the user or password in MESSAGE_HUB_URL', 'wrong_password'],
        ['The message hub is reachable again', undefined],
      ],
    );
    for (const line of lines) assert.equal(line.address, 'amqp://someone@hub:5672/dnd');
    assert.ok(lines.slice(1, 3).every(({ seconds }) => typeof seconds === 'number'));
  } finally {
    mock.timers.reset();
  }
});
