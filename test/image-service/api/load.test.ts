import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { toJson } from '../../../src/contract/json.ts';
import { ANSWERS_MAX } from '../../../src/image-service/request/admission.ts';
import { create, problem } from '../../services/api.ts';
import { eventually } from '../../services/data-folder.ts';
import { startEdge } from '../../services/edge.ts';
import { valueAt } from '../../services/metrics.ts';
import { startService } from '../../services/service.ts';

const LIST = '/api/v2/images';

/** An edge whose lists wait until they are let go. */
async function heldEdge() {
  const gate = Promise.withResolvers<void>();
  const begun: (number | undefined)[] = [];
  const edge = await startEdge({
    around: () => ({
      async listImages({ limit }) {
        begun.push(limit);
        await gate.promise;
        return toJson({ items: [], next_cursor: null });
      },
    }),
  });
  const list = (signal?: AbortSignal) => fetch(edge.url + LIST, { signal: signal ?? null });
  const inside = (state: string) =>
    valueAt(edge.url, `dnd_http_requests_in_progress{state="${state}"}`);
  return { edge, list, inside, begun, release: gate.resolve };
}

describe('more requests than can be answered at the same time', () => {
  test('are all answered when they are only a burst', async () => {
    await using edge = await startEdge({});
    // On a busy machine some may have waited for too long after all.
    await eventually(async () => {
      const burst = Array.from({ length: 64 }, () => fetch(edge.url + LIST));
      for (const { status } of await Promise.all(burst)) assert.equal(status, 200);
    }, 20_000);
  });

  test('are told to come again when nothing moves, and the others are served', async () => {
    const { edge, list, inside, release } = await heldEdge();
    await using _ = edge;
    const asked = Array.from({ length: 40 }, () => list());
    const refused = await Promise.any(asked);
    await eventually(async () => assert.equal(await inside('waiting'), 0));
    assert.equal(refused.headers.get('retry-after'), '2');
    await problem(refused, 503, 'overloaded');
    release();
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, ANSWERS_MAX);
    assert.equal((await list()).status, 200);
  });

  async function orderServed() {
    const { edge, list, inside, begun, release } = await heldEdge();
    await using _ = edge;
    const asked = Array.from({ length: ANSWERS_MAX }, () => list());
    await eventually(async () => assert.equal(await inside('inside'), ANSWERS_MAX));
    const since = performance.now();
    for (const limit of [1, 2, 3]) {
      asked.push(fetch(`${edge.url}${LIST}?limit=${limit}`));
      await eventually(async () => assert.equal(await inside('waiting'), limit));
    }
    await eventually(() => assert.ok(performance.now() - since >= 200));
    release();
    await Promise.all(asked);
    return begun.slice(ANSWERS_MAX);
  }

  test('are served in their order, though the first has waited for long', async () => {
    await eventually(async () => assert.deepEqual(await orderServed(), [1, 2, 3]), 20_000);
  });

  test('are answered again as soon as an overload is over', async () => {
    let last: Promise<unknown> = Promise.resolve();
    const page = toJson({ items: [], next_cursor: null });
    // One after the other, as a busy storage.
    const listImages = () => {
      last = last.then(() => sleep(4));
      return last.then(() => page);
    };
    await using edge = await startEdge({ around: () => ({ listImages }) });
    let time = 0;
    // None is answered from memory.
    const statusOf = async () => (await fetch(`${edge.url}${LIST}?q=word${time++}`)).status;
    let refused = 0;
    const connection = async () => {
      while (refused < 50) if ((await statusOf()) === 503) refused += 1;
    };
    await Promise.all(Array.from({ length: 150 }, connection));
    const burst = await Promise.all(Array.from({ length: 30 }, statusOf));
    assert.deepEqual(new Set(burst), new Set([200]));
  });

  test('find room beside clients that send their bodies slowly', async () => {
    const { edge, list, release } = await heldEdge();
    await using _ = edge;
    release();
    const path = `${LIST}/019d4a6e-7f0b-7c31-9a55-2f6f0c1b7e10`;
    const head = `PATCH ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{`;
    const slow = Array.from({ length: 40 }, () => connect(edge.port, '127.0.0.1'));
    try {
      await Promise.all(slow.map((socket) => once(socket, 'connect')));
      for (const socket of slow) socket.on('error', () => {}).write(head);
      for (let time = 0; time < 20; time += 1) assert.equal((await list()).status, 200);
    } finally {
      for (const socket of slow) socket.destroy();
    }
  });

  test('take no room once their clients have left', async () => {
    const { edge, list, inside, release } = await heldEdge();
    await using _ = edge;
    const leaving = new AbortController();
    const asked = Array.from({ length: 40 }, () => list(leaving.signal).catch(() => {}));
    await eventually(async () => assert.equal(await inside('waiting'), 40 - ANSWERS_MAX));
    assert.equal(await inside('inside'), ANSWERS_MAX);
    leaving.abort();
    await Promise.all(asked);
    await eventually(async () => assert.equal(await inside('inside'), 0));
    assert.equal(await inside('waiting'), 0);
    release();
    assert.equal((await list()).status, 200);
  });
});

describe('RATE_LIMIT', () => {
  test('lets each client send so many requests a minute, and says how many are left', async () => {
    await using service = await startService({ RATE_LIMIT: '3' });
    const ask = () => fetch(service.url + LIST);
    for (const left of ['2', '1', '0']) {
      const { status, headers } = await ask();
      assert.equal(status, 200);
      assert.equal(headers.get('ratelimit-limit'), '3');
      assert.equal(headers.get('ratelimit-remaining'), left);
    }
    const refused = await ask();
    const seconds = Number(refused.headers.get('retry-after'));
    assert.ok(seconds > 0 && seconds <= 60, `${seconds}`);
    await problem(refused, 429, 'rate_limited');
  });

  test('counts what no route has, and what asks for the methods of one', async () => {
    await using service = await startService({ RATE_LIMIT: '2' });
    assert.equal((await fetch(`${service.url}/nothing`)).status, 404);
    assert.equal((await fetch(service.url + LIST, { method: 'OPTIONS' })).status, 204);
    await problem(await fetch(`${service.url}/nothing-else`), 429, 'rate_limited');
    await problem(await fetch(service.url + LIST), 429, 'rate_limited');
  });

  test('counts images that are in memory', async () => {
    await using service = await startService({ RATE_LIMIT: '4' });
    const { content } = await create((path, init) => fetch(service.url + path, init));
    const ask = () => fetch(service.url + content.url);
    for (const left of ['2', '1', '0']) {
      const { headers } = await ask();
      assert.equal(headers.get('ratelimit-remaining'), left);
    }
    await problem(await ask(), 429, 'rate_limited');
  });

  test('behind a proxy counts the address that the proxy adds, whatever the client wrote', async () => {
    await using service = await startService({ RATE_LIMIT: '1', TRUST_PROXY: 'on' });
    const ask = (addresses: string) =>
      fetch(service.url + LIST, { headers: { 'x-forwarded-for': addresses } });
    assert.equal((await ask('198.51.100.7')).status, 200);
    await problem(await ask('203.0.113.1, 198.51.100.7'), 429, 'rate_limited');
    assert.equal((await ask('198.51.100.7, 203.0.113.1')).status, 200);
  });

  test('leaves health and metrics alone', async () => {
    await using service = await startService({ RATE_LIMIT: '1' });
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
      for (let time = 0; time < 3; time += 1) {
        const { status, headers } = await fetch(service.url + path);
        assert.equal(status, 200);
        assert.equal(headers.get('ratelimit-limit'), null);
      }
    }
  });

  test('is off by default', async () => {
    await using service = await startService({});
    assert.equal((await fetch(service.url + LIST)).headers.get('ratelimit-limit'), null);
  });
});
