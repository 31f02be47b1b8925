import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
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
