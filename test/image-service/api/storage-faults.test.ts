import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceError } from '../../../src/contract/errors.ts';
import { checkedApi, create, png, problem } from '../../services/api.ts';
import { type EdgeOptions, startEdge } from '../../services/edge.ts';
import { startService } from '../../services/service.ts';

type Gate = { arrived: Promise<void>; open(): void; pass(): Promise<void> };

/** Holds whoever passes until it is opened. */
function gate(): Gate {
  const arrival = Promise.withResolvers<void>();
  const opening = Promise.withResolvers<void>();
  return {
    arrived: arrival.promise,
    open: opening.resolve,
    pass: async () => {
      arrival.resolve();
      await opening.promise;
    },
  };
}

async function readAcrossChange(options: EdgeOptions): Promise<void> {
  const late = gate();
  let reads = 0;
  await using service = await startEdge({
    ...options,
    around: (store) => ({
      async getImage(id, call) {
        const image = await store.getImage(id, call);
        reads += 1;
        if (reads === 1) await late.pass();
        return image;
      },
    }),
  });
  const api = await checkedApi(service.url);
  const [first, second] = [await png(), await png()];
  const { id } = await create(api, {}, first);
  const address = `/api/v2/images/${id}/content`;
  const bytes = async () => Buffer.from(await (await api(address)).arrayBuffer());

  const early = bytes();
  await late.arrived;
  const headers = { 'content-type': 'image/png' };
  const put = await api(address, { method: 'PUT', body: new Uint8Array(second), headers });
  assert.equal(put.status, 200);
  assert.deepEqual(await bytes(), second);
  late.open();
  assert.deepEqual(await early, first);
  assert.deepEqual(await bytes(), second);
}

test('a read that began before a change does not restore what was', () => readAcrossChange({}));

test('nor does it while events are lost: an edge knows its own changes', () =>
  readAcrossChange({ events: { heard: true, subscribe: () => () => {} } }));

test('many who ask at the same time for the same bytes cause one read', async () => {
  const late = gate();
  let reads = 0;
  await using service = await startEdge({
    around: (store) => ({
      async getContent(sha256, range, call) {
        reads += 1;
        await late.pass();
        return store.getContent(sha256, range, call);
      },
    }),
  });
  const api = await checkedApi(service.url);
  const { content } = await create(api);
  const answers = Array.from({ length: 10 }, () => api(content.url));
  await late.arrived;
  late.open();
  for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
  assert.equal((await api(content.url)).status, 200);
  assert.equal(reads, 1);
});

test('without memory for delivery every answer is streamed', async () => {
  await using service = await startService({ DELIVERY_CACHE_MB: '0' });
  const api = await checkedApi(service.url);
  const bytes = await png(50, 50);
  const { content } = await create(api, {}, bytes);
  const whole = await api(content.url);
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes);
  const part = await api(content.url, { headers: { range: 'bytes=5-9' } });
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(5, 10));
});

test('a storage that does not answer ends a read with 503 at its deadline', async () => {
  await using service = await startEdge({
    around: () => ({ listThemes: () => new Promise(() => {}) }),
  });
  const api = await checkedApi(service.url);
  const response = await api('/api/v2/themes');
  assert.ok(response.headers.get('retry-after'));
  await problem(response, 503, 'deadline_exceeded');
});

test('what nobody foresaw is 500 and shows nothing of the inside', async () => {
  await using service = await startEdge({
    around: () => ({
      listThemes: () => Promise.reject(new Error('SQLITE_CORRUPT in /var/lib/secret')),
    }),
  });
  const api = await checkedApi(service.url);
  const found = await problem(await api('/api/v2/themes'), 500, 'internal');
  assert.doesNotMatch(JSON.stringify(found), /secret|SQLITE/);
  const line = service.log.find(({ level }) => level === 'ERROR')!;
  assert.equal(line.request_id, found.request_id);
  assert.match(JSON.stringify(line), /SQLITE_CORRUPT/);
});

test('health is degraded without one dependency, unhealthy without both', async () => {
  const away = () => Promise.reject(new ServiceError('storage_unavailable', 'away'));
  const status = async (options: EdgeOptions) => {
    await using service = await startEdge(options);
    const api = await checkedApi(service.url);
    const health = await api('/health');
    const { status } = (await health.json()) as { status: string };
    return [health.status, status, (await api('/health/ready')).status];
  };
  const around = () => ({ ping: away });
  assert.deepEqual(await status({ around }), [200, 'degraded', 503]);
  assert.deepEqual(await status({ messageHub: away }), [200, 'degraded', 200]);
  assert.deepEqual(await status({ around, messageHub: away }), [503, 'unhealthy', 503]);
});

test('a service that closes finishes what runs', async () => {
  const late = gate();
  const service = await startEdge({
    around: (store) => ({
      async listThemes(call) {
        await late.pass();
        return store.listThemes(call);
      },
    }),
  });
  const running = fetch(`${service.url}/api/v2/themes`);
  await late.arrived;
  const closed = service.close();
  late.open();
  assert.equal((await running).status, 200);
  await closed;
  await assert.rejects(fetch(`${service.url}/health/live`));
});
