import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import { CONTENT_MAX_BYTES } from '../../../src/contract/limits.ts';
import { MemoryBroker } from '../../../src/hub/memory-hub.ts';
import { png } from '../../services/api.ts';
import { startEdge } from '../../services/edge.ts';
import { joinStorage } from '../../services/joined-storage.ts';
import { FORM_HEAD, IMAGES } from '../attacked.ts';

/** Clients that read no answer before all of their body is sent, as Python's do. */

const broker = new MemoryBroker();
const joined = await joinStorage((appId) => broker.hub(appId));
after(() => joined[Symbol.asyncDispose]());
const whole = await startEdge({});
after(() => whole.close());
const { storage } = joined;
const apart = await startEdge({
  around: () => ({ acceptContent: (...sent) => storage.acceptContent(...sent) }),
});
after(() => apart.close());

type Door = { name: string; url: string; line: string; type: string; form?: string };
const FORM = 'multipart/form-data; boundary=b';
const CREATE = `POST ${IMAGES}`;
const REPLACE = `PUT ${IMAGES}/${randomUUID()}/content`;
const UPLOAD = `PUT /content/uploads/${randomUUID()}`;
const doors = (where: string, url: string): Door[] => [
  { name: `a new image${where}`, url, line: CREATE, type: FORM, form: FORM_HEAD },
  { name: `new bytes${where}`, url, line: REPLACE, type: 'image/png' },
  { name: `new bytes in a form${where}`, url, line: REPLACE, type: FORM, form: FORM_HEAD },
];
const DOORS: Door[] = [
  ...doors('', whole.url),
  ...doors(', before a storage elsewhere', apart.url),
  { name: 'the content endpoint', url: joined.url, line: UPLOAD, type: 'image/png' },
];
const head = (await png(64, 64)).subarray(0, 1_000);
const BODIES: [string, Buffer, RegExp][] = [
  ['5 MB that are no image', Buffer.alloc(5_000_000, 'x'), / 415 .*"unsupported_media_type"/s],
  [
    'a byte too many',
    Buffer.concat([head, Buffer.alloc(CONTENT_MAX_BYTES + 1 - head.length)]),
    / 413 .*"content_too_large"/s,
  ],
];

for (const door of DOORS) {
  for (const [what, file, expected] of BODIES) {
    describe(`${what} at the door for ${door.name}`, () => {
      const body = Buffer.concat([
        Buffer.from(door.form ?? ''),
        file,
        Buffer.from(door.form ? '\r\n--b--\r\n' : ''),
      ]);
      const sent = (...more: string[]) =>
        Buffer.concat([request(door, `Content-Length: ${body.length}`, ...more), body]);

      test('are refused to be read after the last byte, and the connection closes', async (t) => {
        const socket = open(t, door.url);
        assert.match(await sendThenRead(socket, sent('Connection: close')), expected);
        await ended(socket);
      });

      test('are refused on a connection that takes more requests', async (t) => {
        const socket = open(t, door.url);
        assert.match(await sendThenRead(socket, sent()), expected);
        assert.match(await sendThenRead(socket, sent()), expected);
        const health = Buffer.from('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
        assert.match(await sendThenRead(socket, health), / 200 /);
      });
    });
  }
}

function open(t: TestContext, url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  // What breaks is told to whoever writes or reads.
  socket
    .setEncoding('latin1')
    .on('error', () => {})
    .pause();
  t.after(() => socket.destroy());
  return socket;
}

function request({ line, type }: Door, ...more: string[]): Buffer {
  const lines = [`${line} HTTP/1.1`, 'Host: localhost', `Content-Type: ${type}`, ...more, '', ''];
  return Buffer.from(lines.join('\r\n'));
}

/** One answer, up to the end of its body; what came of it, if the connection ended. */
async function sendThenRead(socket: Socket, bytes: Buffer): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  await promise;
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const [headers = '', body] = text.split('\r\n\r\n');
    const length = Number(/^content-length: (\d+)/im.exec(headers)?.[1]);
    if (body !== undefined && body.length >= length) break;
  }
  return text;
}

async function ended(socket: Socket): Promise<void> {
  if (!socket.readableEnded) await once(socket.resume(), 'end');
}
