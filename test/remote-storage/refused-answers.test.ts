import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { HubRefusedError } from '../../src/hub/hub.ts';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { eventually } from '../services/data-folder.ts';
import { joinStorage } from '../services/joined-storage.ts';

/** A storage whose first answers meet a queue that is full. */
async function joinedWhere(refusals: number) {
  const broker = new MemoryBroker();
  const sent: string[] = [];
  const joined = await joinStorage((appId) => {
    const hub = broker.hub(appId);
    const sendResponse = hub.sendResponse.bind(hub);
    hub.sendResponse = async (message, queue) => {
      sent.push(message.message_id);
      if (sent.length <= refusals) throw new HubRefusedError(message.type, `${queue}`);
      await sendResponse(message, queue);
    };
    return hub;
  });
  return { broker, sent, ...joined };
}

const call = () => ({
  requestId: randomUUID(),
  deadline: Date.now() + 20_000,
  signal: AbortSignal.timeout(20_000),
});

test('an answer that the hub refuses is sent again, as the same message', async () => {
  await using joined = await joinedWhere(2);
  assert.deepEqual(await joined.storage.ping(call()), { version: '0.0.0' });
  assert.deepEqual([joined.sent.length, new Set(joined.sent).size], [3, 1]);
  assert.deepEqual(joined.broker.queue.dead, []);
});

test('a request whose answer is refused again and again is laid aside', async () => {
  await using joined = await joinedWhere(Number.POSITIVE_INFINITY);
  const givenUp = new AbortController();
  const asked = joined.storage.ping({ ...call(), signal: givenUp.signal });
  await eventually(() => assert.equal(joined.broker.queue.dead.length, 1));
  assert.equal(joined.sent.length, 5);
  assert.ok(joined.counted.includes('dead storage.request'));
  givenUp.abort(new Error('nobody answers'));
  await assert.rejects(asked, /nobody answers/);
});
