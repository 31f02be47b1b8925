import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { CALLS_IN_FLIGHT_MAX } from '../../src/contract/limits.ts';
import type { Call } from '../../src/contract/storage.ts';
import type { Message, Received } from '../../src/hub/hub.ts';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { Requester } from '../../src/remote-storage/requester.ts';
import { eventually } from '../services/data-folder.ts';

/** A requester, and a receiver that answers when and how the test says. */
function asking() {
  const broker = new MemoryBroker();
  const [front, behind] = [broker.hub('edge'), broker.hub('storage')];
  const counted: string[] = [];
  const requester = new Requester(front, 'test', (what, type) => counted.push(`${what} ${type}`));
  const requests: Received[] = [];
  behind.receiveRequests(
    async (request) => {
      requests.push(request);
      return 'done';
    },
    (error) => {
      throw error;
    },
  );
  const answer = (data: unknown, to: Partial<Received> = requests.at(-1)!) => {
    const message: Message = {
      type: 'storage.response',
      message_id: randomUUID(),
      correlation_id: to.correlation_id ?? randomUUID(),
      timestamp: Date.now(),
      body: JSON.stringify({ data }),
      ...(to.message_id && { in_reply_to: to.message_id }),
    };
    return behind.sendResponse(message, front.replyQueue);
  };
  const success = (id: string) => ({
    operation_id: id,
    status: 'success',
    data: { version: '1' },
  });
  const asked = (count: number) => eventually(() => assert.equal(requests.length, count));
  return { requester, front, requests, counted, answer, success, asked };
}

function call(ms = 5_000): Call {
  const signal = AbortSignal.timeout(20_000);
  return { requestId: 'r', deadline: Date.now() + ms, signal };
}

test('answers that are unknown, of another operation, of the wrong shape change nothing', async () => {
  const { requester, answer, success, asked, counted } = asking();
  const id = randomUUID();
  const ping = requester.ask('ping', id, {}, call());
  await asked(1);
  await answer(success(id), { message_id: randomUUID() });
  await answer(success(randomUUID()));
  await answer({ operation_id: id, status: 'success', data: { surprise: true } });
  await answer({ operation_id: id, status: 'perhaps' });
  await answer('text');
  await answer(success(id));
  assert.deepEqual((await ping).data, { version: '1' });
  await answer(success(id));
  await eventually(() => {
    const of = (what: string) => counted.filter((each) => each === `${what} storage.response`);
    assert.deepEqual([of('late').length, of('malformed').length, of('received').length], [3, 3, 1]);
  });
});

test('an answer that names no request is taken by its operation', async () => {
  const { requester, answer, success, asked } = asking();
  const id = randomUUID();
  const ping = requester.ask('ping', id, {}, call());
  await asked(1);
  await answer(success(id), { correlation_id: id });
  assert.deepEqual((await ping).data, { version: '1' });
});

test('a read that is not answered in time ended for certain, a write perhaps not', async () => {
  const { requester } = asking();
  const late = requester.ask('get_image', randomUUID(), { image_id: 'x' }, call(30));
  await assert.rejects(late, { code: 'deadline_exceeded' });
  const write = requester.ask('delete_image', randomUUID(), { image_id: 'x' }, call(30));
  await assert.rejects(write, { code: 'outcome_unknown' });
});

test('what waits when the hub goes away is asked again when it is back', async () => {
  const { requester, front, requests, answer, success, asked } = asking();
  const id = randomUUID();
  const ping = requester.ask('ping', id, {}, call());
  await asked(1);
  front.lose();
  // Its queue is gone: nobody hears this.
  await answer(success(id));
  front.reconnect();
  await asked(2);
  assert.equal(requests[1]?.message_id, requests[0]?.message_id);
  await answer(success(id));
  assert.deepEqual((await ping).data, { version: '1' });
});

test('a hub that stays away is told within a second', async () => {
  const { requester, front } = asking();
  front.lose();
  const before = performance.now();
  await assert.rejects(requester.ask('ping', randomUUID(), {}, call()), {
    code: 'storage_unavailable',
  });
  assert.ok(performance.now() - before < 4_000, 'it waited for the deadline of the call');
});

test('a hub that comes back at once delays a request and does not fail it', async () => {
  const { requester, front, answer, success, asked } = asking();
  front.lose();
  const id = randomUUID();
  const ping = requester.ask('ping', id, {}, call());
  front.reconnect();
  await asked(1);
  await answer(success(id));
  await ping;
});

test('a signal ends the waiting, and requests that wait are bounded', async () => {
  const { requester, asked } = asking();
  const ending = new AbortController();
  const one = requester.ask('ping', randomUUID(), {}, { ...call(), signal: ending.signal });
  await asked(1);
  const others = Array.from({ length: CALLS_IN_FLIGHT_MAX - 1 }, () =>
    requester.ask('ping', randomUUID(), {}, call()).catch(() => {}),
  );
  await assert.rejects(requester.ask('ping', randomUUID(), {}, call()), { code: 'overloaded' });
  ending.abort(new Error('enough'));
  await assert.rejects(one, /enough/);
  await requester.close();
  await Promise.all(others);
});
