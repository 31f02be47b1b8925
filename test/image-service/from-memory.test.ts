import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ContentCache } from '../../src/image-service/caches/content-cache.ts';
import { ImageCache } from '../../src/image-service/caches/image-cache.ts';
import { deliverFromMemory } from '../../src/image-service/delivery/from-memory.ts';
import { createBrowserGuard } from '../../src/image-service/request/browser-guard.ts';
import { png } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { opening, temporaryFolder } from '../storage-service/opening.ts';

const METADATA_BYTES = 1024 * 1024;
/** Room for one of the images, which have some 270. */
const CONTENTS_BYTES = 400;
/** More than the kernel takes for a reader that does not read. */
const LARGE_BYTES = 7_000_000;
/** What the test's server answers for all that is left to the routes. */
const LEFT = 418;

test('a GET of what is in memory is answered from there, and all else left to the routes', async (t) => {
  const { create, images, contents, status } = await serving(t);
  const image = await create();
  const { sha256, size_bytes } = image.content;
  const fixed = image.content.url;
  const plain = fixed.split('?')[0]!;
  const etag = `"${sha256}"`;

  assert.equal(await status(fixed), LEFT, 'nothing is known of it');
  await images.read(image.id, 'test');
  assert.equal(await status(fixed), LEFT, 'its bytes are not in memory');
  assert.equal(await status(fixed, { 'if-none-match': etag }), 304);
  (await contents.read(sha256, size_bytes, 'test'))!.release();

  for (const path of [fixed, plain]) {
    assert.equal(await status(path), 200);
    assert.equal(await status(path, { 'if-none-match': '"other"' }), 200);
    assert.equal(await status(path, { 'if-none-match': etag }), 304);
    assert.equal(await status(path, { 'if-modified-since': new Date().toUTCString() }), 304);
    for (const given of [
      { 'if-match': '"other"' },
      { range: 'bytes=0-1' },
      { origin: 'https://table.example' },
      { host: 'evil.example' },
    ] as Record<string, string>[]) {
      assert.equal(await status(path, given), LEFT, JSON.stringify(given));
    }
    const twoHosts = ['Host', 'localhost', 'Host', 'evil.example'];
    assert.equal(await status(path, twoHosts), LEFT, 'two Hosts');
    for (const method of ['HEAD', 'PUT', 'OPTIONS']) {
      assert.equal(await status(path, {}, method), LEFT, method);
    }
  }
  for (const path of [
    `${plain}?`,
    `${plain}?v=0123456789abcdef`,
    `${fixed}&w=1`,
    `${fixed}#x`,
    `${plain}/`,
    `/api/v2/images/${image.id}`,
    `/api/v2/images/${image.id}/other/content`,
    `http://127.0.0.1${plain}`,
  ]) {
    assert.equal(await status(path), LEFT, path);
  }

  images.changed(image.id);
  assert.equal(await status(fixed), LEFT, 'what changed is asked for anew');
});

test('an answer counts as one hit of each cache, and gives the bytes back when it was sent', async (t) => {
  const { create, images, contents, status, answered } = await serving(t);
  const [image, other] = [await create(), await create()];
  const { sha256, size_bytes, url } = image.content;
  await images.read(image.id, 'test');
  await status(url);
  assert.equal(images.load.hits, 0, 'the route counts what is left to it');

  (await contents.read(sha256, size_bytes, 'test'))!.release();
  const telling = once(answered, 'answered');
  await status(url);
  const [told] = await telling;
  assert.deepEqual([told.status, told.method, told.url, told.delivery], [200, 'GET', url, true]);
  assert.deepEqual([images.load.hits, contents.load.hits], [1, 1]);

  // Both do not fit: the first is no longer kept, and would be counted if it were still lent.
  const { content } = other;
  (await contents.read(content.sha256, content.size_bytes, 'test'))!.release();
  assert.equal(contents.load.bytes, content.size_bytes);
});

test('an answer that waits for its reader gives the bytes back when it was sent, or the reader left', async (t) => {
  const { create, images, contents, answered, port } = await serving(t, LARGE_BYTES * 1.5);
  const large = async () => {
    const { id, content } = await create(Buffer.concat([await png(), Buffer.alloc(LARGE_BYTES)]));
    await images.read(id, 'test');
    return content;
  };
  const [lent, other] = [await large(), await large()];
  const keep = async ({ sha256, size_bytes }: typeof lent) =>
    (await contents.read(sha256, size_bytes, 'test'))!.release();
  await keep(lent);
  const readers = await Promise.all(
    ['reads', 'leaves'].map(async () => {
      const [response] = await once(request({ port, path: lent.url }).end(), 'response');
      return response as IncomingMessage;
    }),
  );
  // Both do not fit: what is lent of the first is counted beside the second.
  await keep(other);
  assert.equal(contents.load.bytes, lent.size_bytes + other.size_bytes);
  const [reads, leaves] = readers as [IncomingMessage, IncomingMessage];
  leaves.destroy();
  const told: unknown[] = [];
  answered.on('answered', (answer) => told.push(answer));
  reads.resume();
  await eventually(() => assert.equal(told.length, 1), 5_000);
  await eventually(() => assert.equal(contents.load.bytes, other.size_bytes));
});

/** An HTTP server that has no routes, over caches that hold nothing yet. */
async function serving(t: TestContext, contentsBytes = CONTENTS_BYTES) {
  const { store, create } = await opening(t, await temporaryFolder(t));
  const images = new ImageCache(store, store, METADATA_BYTES);
  t.after(images.close);
  const contents = new ContentCache(store, contentsBytes);
  const guard = createBrowserGuard({
    host: '127.0.0.1',
    corsOrigins: ['https://table.example'],
    trustProxy: false,
  });
  const answered = new EventEmitter();
  const answer = deliverFromMemory({
    images,
    contents,
    guard,
    basePath: '',
    route: '/api/v2/images/:id/content',
    requestId: () => 'test',
    answered: (told) => answered.emit('answered', told),
  });
  const server = createServer((asked, response) => {
    if (!answer(asked, response)) response.writeHead(LEFT).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());

  /** `fetch` would not send some of these headers and addresses. */
  const status = async (
    path: string,
    headers: OutgoingHttpHeaders | string[] = {},
    method = 'GET',
  ) => {
    const asked = request({ port, agent, path, method, headers }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    return response.statusCode;
  };
  return { create, images, contents, status, answered, port };
}
