import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { checkedApi, create, problem } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { settledQueue } from '../services/settled-queue.ts';
import { startImages, startStorage } from '../services/two-services.ts';
import { withBroker } from '../services/with-broker.ts';

const IMAGES = '/api/v2/images';

await withBroker(
  (broker) => {
    test('services start in any order, tell what is away, and recover by themselves', async () => {
      await broker.kill();
      const hub = { MESSAGE_HUB_URL: broker.url };
      await using storage = await startStorage(hub);
      await using images = await startImages({ ...hub, STORAGE_SERVICE_URL: storage.url });
      const seen = new Set<string>();
      const state = async () => {
        const health = (await (await fetch(`${images.url}/health`)).json()) as {
          status: string;
          dependencies: Record<string, { status: string }>;
        };
        const { message_hub, storage } = health.dependencies;
        seen.add(health.status);
        return [health.status, message_hub?.status, storage?.status];
      };
      const becomes = (...expected: string[]) =>
        eventually(async () => assert.deepEqual(await state(), expected), 20_000);
      await becomes('degraded', 'unhealthy', 'healthy');
      const list = await fetch(images.url + IMAGES);
      assert.equal(list.headers.get('retry-after'), '5');
      await problem(list, 503, 'storage_unavailable');

      await broker.start();
      await becomes('healthy', 'healthy', 'healthy');
      const api = await checkedApi(images.url);
      // The storage may join a moment after the hub is there; until then requests are refused.
      let image: Image | undefined;
      await eventually(async () => {
        image = await create(api);
      }, 20_000);

      await broker.pause();
      await becomes('degraded', 'unhealthy', 'healthy');
      await broker.resume();
      await becomes('healthy', 'healthy', 'healthy');
      const resumed = performance.now();

      const described = `${images.url}${IMAGES}/${image!.id}`;
      for (const url of [described, images.url + IMAGES]) {
        await eventually(async () => assert.equal((await fetch(url)).status, 200), 20_000);
      }
      await settledQueue(resumed);
      await broker.kill();
      await becomes('degraded', 'unhealthy', 'healthy');
      // It has read both, but would not hear of a change.
      await problem(await fetch(described), 503, 'storage_unavailable');
      await problem(await fetch(images.url + IMAGES), 503, 'storage_unavailable');
      await broker.start();
      await becomes('healthy', 'healthy', 'healthy');
      await eventually(async () => {
        assert.deepEqual(await (await api(`${IMAGES}/${image!.id}`)).json(), image);
      }, 20_000);
      // Here and not where it is seen: there it would only be looked at again.
      assert.ok(!seen.has('unhealthy'), 'one of the two worked all the time');
    });
  },
  { own: true },
);
