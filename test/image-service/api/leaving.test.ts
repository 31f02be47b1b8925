import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { checkedApi, create, png } from '../../services/api.ts';
import { eventually } from '../../services/data-folder.ts';
import { startEdge } from '../../services/edge.ts';
import { valueAt } from '../../services/metrics.ts';

/** Of clients that leave before they have their images. The cache has room for one of them. */

let beforeReading = async () => {};
const edge = await startEdge({
  settings: { DELIVERY_CACHE_MB: '1' },
  around: (store) => ({
    async getContent(...asked) {
      await beforeReading();
      return store.getContent(...asked);
    },
  }),
});
after(() => edge.close());
const api = await checkedApi(edge.url);
const kept = () => valueAt(edge.url, 'dnd_delivery_cache_bytes');
const newImage = async () => (await create(api, {}, await png(500, 500))).content;
const get = async (url: string) => (await (await fetch(edge.url + url)).arrayBuffer()).byteLength;

async function ask(url: string, times = 1): Promise<Socket> {
  const socket = connect(edge.port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  const request = `GET ${url} HTTP/1.1\r\nHost: ${new URL(edge.url).host}\r\n\r\n`;
  socket.write(request.repeat(times));
  return socket;
}

/** Without a word, and until the service knows. */
async function leave(socket: Socket): Promise<void> {
  socket.resetAndDestroy();
  await once(socket, 'close');
  await api('/health');
}

/** What is still lent would be counted beside what is kept. */
async function assertNothingLent(): Promise<void> {
  const { url, size_bytes } = await newImage();
  assert.equal(await get(url), size_bytes);
  await eventually(async () => assert.equal(await kept(), size_bytes));
}

test('who leaves while the image is being read holds none of the cache', async () => {
  const { url } = await newImage();
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  beforeReading = () => {
    begun.resolve();
    return gate.promise;
  };
  const client = await ask(url, 3);
  await begun.promise;
  await leave(client);
  gate.resolve();
  beforeReading = async () => {};
  await assertNothingLent();
});

test('who asks for an image many times at once and leaves holds none of it', async () => {
  const { url, size_bytes } = await newImage();
  assert.equal(await get(url), size_bytes);
  const client = await ask(url, 20);
  await once(client, 'readable');
  await leave(client);
  await assertNothingLent();
});
