import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image, ImagePage } from '../../src/contract/image.ts';
import { checkedApi, create, form, png, problem, REQUIRED } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { startImages, startStorage } from '../services/two-services.ts';
import { withBroker } from '../services/with-broker.ts';

const IMAGES = '/api/v2/images';

await withBroker((broker) => {
  const joined = async (token?: string) => {
    const hub = {
      MESSAGE_HUB_URL: await broker.vhost(),
      ...(token && { STORAGE_SERVICE_TOKEN: token }),
    };
    const storage = await startStorage(hub);
    return { storage, env: { ...hub, STORAGE_SERVICE_URL: storage.url }, hub };
  };
  const healthy = (url: string) =>
    eventually(async () => {
      const { status } = (await (await fetch(`${url}/health`)).json()) as { status: string };
      assert.equal(status, 'healthy');
    });

  test('an image goes in through one service and comes out through the other', async () => {
    const { storage, env } = await joined('a-secret-of-some-length');
    await using _ = storage;
    await using images = await startImages(env);
    await healthy(images.url);
    const api = await checkedApi(images.url);
    const bytes = await png(300, 300);
    const image = await create(api, { tags: 'elf' }, bytes);
    const answer = await api(image.content.url);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
    const part = await api(image.content.url, { headers: { range: 'bytes=10-19' } });
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 20));
    const page = (await (await api(`${IMAGES}?tag=elf`)).json()) as { items: object[] };
    assert.deepEqual(page.items, [image]);
  });

  test('what one image service changes is seen through the others', async () => {
    const { storage, env } = await joined();
    await using _ = storage;
    await using one = await startImages(env);
    await using two = await startImages(env);
    await using three = await startImages(env);
    const all = [one, two, three];
    for (const { url } of all) await healthy(url);
    const api = (url: string) => (path: string, init?: RequestInit) => fetch(url + path, init);
    const image = await create(api(one.url));
    const path = `${IMAGES}/${image.id}/content`;
    const versions = async (url: string) => {
      const described = (await (await fetch(`${url}${IMAGES}/${image.id}`)).json()) as Image;
      const list = (await (await fetch(url + IMAGES)).json()) as ImagePage;
      return [described.version, list.items.find(({ id }) => id === image.id)?.version];
    };
    // Each of them now keeps what it says of the image.
    for (const { url } of all) {
      assert.equal((await fetch(url + path)).status, 200);
      assert.deepEqual(await versions(url), [1, 1]);
    }
    const bytes = await png();
    const body = form(['image', bytes]);
    assert.equal((await fetch(two.url + path, { method: 'PUT', body })).status, 200);
    for (const { url } of all) {
      await eventually(async () => {
        const now = await (await fetch(url + path)).arrayBuffer();
        assert.deepEqual(Buffer.from(now), bytes);
        assert.deepEqual(await versions(url), [2, 2]);
      }, 1_000);
    }
    const named = async (url: string) => {
      const list = (await (await fetch(`${url}${IMAGES}?theme=by_other_name`)).json()) as ImagePage;
      return list.items.length;
    };
    for (const { url } of all) assert.equal(await named(url), 0);
    const theme = JSON.stringify({ synonyms: ['by_other_name'] });
    const put = { method: 'PUT', body: theme, headers: { 'content-type': 'application/json' } };
    await fetch(`${one.url}/api/v2/themes/${image.theme}`, put);
    for (const { url } of all) {
      await eventually(async () => assert.equal(await named(url), 1), 1_000);
    }
  });

  test('two uploads at once with one Idempotency-Key, by two services, are one image', async () => {
    const { storage, env } = await joined();
    await using _ = storage;
    await using one = await startImages(env);
    await using two = await startImages(env);
    for (const { url } of [one, two]) await healthy(url);
    const bytes = await png();
    const upload = async (url: string) => {
      const body = form(['image', bytes], ...REQUIRED);
      const headers = { 'idempotency-key': 'one-and-the-same' };
      return fetch(url + IMAGES, { method: 'POST', body, headers });
    };
    const answers = await Promise.all([one, two, one].map(({ url }) => upload(url)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201],
    );
    const bodies = await Promise.all(answers.map((answer) => answer.json()));
    assert.deepEqual([bodies[1], bodies[2]], [bodies[0], bodies[0]]);
    const replayed = answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true');
    assert.equal(replayed.length, 2);
  });

  test('one upload has one request id in the logs of both services', async () => {
    const { storage, env } = await joined();
    await using _ = storage;
    await using images = await startImages(env);
    await healthy(images.url);
    const headers = { 'x-request-id': 'follow-me' };
    const body = form(['image', await png()], ...REQUIRED);
    await fetch(images.url + IMAGES, { method: 'POST', body, headers });
    const told = (log: Record<string, unknown>[], message: string) =>
      log.some((line) => line.request_id === 'follow-me' && line.message === message);
    assert.ok(told(images.log, 'request answered'));
    assert.ok(told(storage.log, 'content request'));
    assert.ok(told(storage.log, 'storage operation'));
  });

  test('a second storage service is refused, on another data folder and on the same', async () => {
    const { storage, hub } = await joined();
    await using _ = storage;
    await eventually(async () => {
      const { dependencies } = (await (await fetch(`${storage.url}/health`)).json()) as {
        dependencies: { message_hub: { status: string } };
      };
      assert.equal(dependencies.message_hub.status, 'healthy');
    });
    await assert.rejects(startStorage({ ...hub, DATA_DIR: storage.dataDir }), /in use by another/);
    await using second = await startStorage(hub);
    assert.match((await second.failed).message, /Another storage service/);
  });

  test('a wrong token is a storage that is away, and not the fault of the client', async () => {
    const { storage, env } = await joined('a-secret-of-some-length');
    await using _ = storage;
    await using images = await startImages({ ...env, STORAGE_SERVICE_TOKEN: 'quite-another-one' });
    await eventually(async () => {
      const answer = await fetch(`${images.url}/health`);
      const { status, dependencies } = (await answer.json()) as {
        status: string;
        dependencies: Record<string, { status: string; reason?: string }>;
      };
      assert.deepEqual([answer.status, status], [200, 'degraded']);
      assert.equal(dependencies.message_hub!.status, 'healthy');
      assert.equal(dependencies.storage!.reason, 'wrong_token');
    });
    assert.equal((await fetch(`${images.url}/health/ready`)).status, 503);
    const body = form(['image', await png()], ...REQUIRED);
    const answer = await fetch(images.url + IMAGES, { method: 'POST', body });
    await problem(answer, 503, 'storage_unavailable');
  });
});
