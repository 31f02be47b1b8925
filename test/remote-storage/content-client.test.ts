import assert from 'node:assert/strict';
import { hash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ContentClient } from '../../src/remote-storage/content-client.ts';
import { eventually } from '../services/data-folder.ts';

test('a connection on which an upload was refused half-way is given up with the answer', {
  timeout: 30_000,
}, async () => {
  const refusing = createServer((_request, response) => {
    const problem = { code: 'unsupported_media_type', detail: 'This is no image.' };
    response.writeHead(415, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify(problem));
  });
  await once(refusing.listen(0, '127.0.0.1'), 'listening');
  const { port } = refusing.address() as AddressInfo;
  const client = new ContentClient(`http://127.0.0.1:${port}`, null);
  async function* endless() {
    for (;;) yield new Uint8Array(64 * 1024);
  }
  const call = {
    requestId: 'test',
    operationId: randomUUID(),
    deadline: Date.now() + 20_000,
    signal: new AbortController().signal,
  };
  await assert.rejects(client.put(endless(), undefined, call), { code: 'unsupported_media_type' });
  const open = async () => promisify(refusing.getConnections.bind(refusing))();
  // This side never ends it, and an idle one would be kept for longer.
  await eventually(async () => assert.equal(await open(), 0), 3_000);
  client.close();
  refusing.close();
});

const BYTES = Buffer.from('what the storage keeps');
const SHA256 = hash('sha256', BYTES);
const FLIPPED = Buffer.from('what the storage keepz');

/** Storage services, or proxies before them, whose answers are not what they should be. */
const wrongAnswers: [
  string,
  { first: number; last: number } | null,
  (r: ServerResponse) => void,
][] = [
  ['other bytes', null, (response) => response.end(FLIPPED)],
  [
    'other bytes of unknown number',
    null,
    (response) => {
      response.write(FLIPPED.subarray(0, 5));
      response.end(FLIPPED.subarray(5));
    },
  ],
  [
    'too few bytes, and ends',
    null,
    (response) => {
      response.writeHead(200, { 'content-length': BYTES.length });
      response.write(BYTES.subarray(0, 5), () => response.destroy());
    },
  ],
  ['the whole for a range', { first: 0, last: 4 }, (response) => response.end(BYTES)],
  [
    'another range',
    { first: 0, last: 4 },
    (response) => {
      response.writeHead(206, { 'content-range': `bytes 1-5/${BYTES.length}` });
      response.end(BYTES.subarray(1, 6));
    },
  ],
  [
    'a range that was cut',
    { first: 0, last: 4 },
    (response) => {
      response.writeHead(206, { 'content-range': `bytes 0-4/${BYTES.length}` });
      response.end(BYTES.subarray(0, 3));
    },
  ],
];
for (const [what, range, answer] of wrongAnswers) {
  test(`a storage that sends ${what} is one that is away, and no byte too many is believed`, async () => {
    const server = createServer((_request, response) => answer(response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const client = new ContentClient(`http://127.0.0.1:${port}`, null);
    const call = {
      requestId: 'test',
      deadline: Date.now() + 20_000,
      signal: new AbortController().signal,
    };
    const reading = async () => {
      const { bytes } = await client.get(SHA256, range, call);
      return Array.fromAsync(bytes);
    };
    await assert.rejects(reading, { code: 'storage_unavailable' });
    client.close();
    server.close();
  });
}
