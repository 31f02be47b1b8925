import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { InexactNumber } from '../../src/contract/json.ts';
import { PREFETCH_MAX_REQUESTS } from '../../src/contract/limits.ts';
import type { Hub, Message, Received, Settlement } from '../../src/hub/hub.ts';
import { eventually } from '../services/data-folder.ts';

type Opened = AsyncDisposable & {
  /** Another instance on the same broker, connected. */
  hub(appId: string): Promise<Hub>;
};

/** What every Hub does. `open` gives a broker on which nothing was ever declared. */
export function hubSuite(name: string, open: () => Promise<Opened>): void {
  describe(`${name} as a Hub`, () => {
    test('a request reaches the receiver, and its answer who asked', async () => {
      await using broker = await open();
      const [service, edge] = [await broker.hub('storage_service'), await broker.hub('edge')];
      service.receiveRequests(async (request) => {
        const answer = { ...message('storage.response'), in_reply_to: request.message_id! };
        await service.sendResponse(answer, request.reply_to);
        return 'done';
      }, failed);
      const answers: Received[] = [];
      edge.receiveReplies((answer) => answers.push(answer));
      await ready(service, edge);
      const request = { ...message('storage.request'), reply_to: edge.replyQueue };
      await edge.sendRequest({ ...request, request_id: 'r-1', expires_in_ms: 5_000 });
      await eventually(() => assert.equal(answers.length, 1));
      assert.equal(answers[0]?.in_reply_to, request.message_id);
      assert.deepEqual(answers[0]?.body, { data: 'storage.response' });
    });

    test('a request keeps the digits of its numbers', async () => {
      await using broker = await open();
      const [service, edge] = [await broker.hub('storage_service'), await broker.hub('edge')];
      const bodies: unknown[] = [];
      service.receiveRequests(async ({ body }) => {
        bodies.push(body);
        return 'done';
      }, failed);
      await ready(service, edge);
      await edge.sendRequest({
        ...message('storage.request'),
        body: '{"id":[9007199254740993,1]}',
      });
      await eventually(() => assert.equal(bodies.length, 1));
      assert.deepEqual(bodies, [{ id: [new InexactNumber('9007199254740993'), 1] }]);
    });

    test('a request that no queue takes is refused at once', async () => {
      await using broker = await open();
      const edge = await broker.hub('edge');
      await ready(edge);
      await assert.rejects(edge.sendRequest(message('storage.request')), {
        code: 'storage_unavailable',
      });
    });

    test('requests wait for a receiver that is away, and those it did not settle come again', async () => {
      await using broker = await open();
      const [first, edge] = [await broker.hub('storage_service'), await broker.hub('edge')];
      const held = Promise.withResolvers<Settlement>();
      const seen: string[] = [];
      first.receiveRequests(async ({ message_id }) => {
        seen.push(message_id!);
        return held.promise;
      }, failed);
      await ready(first, edge);
      const requests = [message('storage.request'), message('storage.request')];
      await edge.sendRequest(requests[0]!);
      await eventually(() => assert.equal(seen.length, 1));
      // As if it died: what it would settle now is not heard any more.
      first.close();
      await edge.sendRequest(requests[1]!);
      held.reject(new Error('the process has ended'));
      const second = await broker.hub('storage_service');
      const again: string[] = [];
      second.receiveRequests(async ({ message_id }) => {
        again.push(message_id!);
        return 'done';
      }, failed);
      await eventually(() => assert.ok(again.includes(requests[1]!.message_id)));
    });

    test('one instance receives requests, and another one is told so', async () => {
      await using broker = await open();
      const [first, second] = [await broker.hub('storage_service'), await broker.hub('other')];
      first.receiveRequests(async () => 'done', failed);
      await ready(first);
      const refused = Promise.withResolvers<Error>();
      second.receiveRequests(async () => 'done', refused.resolve);
      assert.match((await refused.promise).message, /[Aa]nother storage service/);
    });

    test('no more requests are in hand than may be', async () => {
      await using broker = await open();
      const [service, edge] = [await broker.hub('storage_service'), await broker.hub('edge')];
      const settling: (() => void)[] = [];
      service.receiveRequests(() => {
        return new Promise((resolve) => settling.push(() => resolve('done')));
      }, failed);
      await ready(service, edge);
      const many = Array.from({ length: PREFETCH_MAX_REQUESTS + 8 });
      await Promise.all(many.map(() => edge.sendRequest(message('storage.request'))));
      await eventually(() => assert.equal(settling.length, PREFETCH_MAX_REQUESTS));
      settling[0]!();
      await eventually(() => assert.equal(settling.length, PREFETCH_MAX_REQUESTS + 1));
      for (const settle of settling) settle();
      await eventually(() => assert.equal(settling.length, many.length));
      for (const settle of settling) settle();
    });

    test('events reach every listener in order, who is told at first that it missed some', async () => {
      await using broker = await open();
      const [service, ...edges] = [
        await broker.hub('storage_service'),
        await broker.hub('edge'),
        await broker.hub('edge'),
      ];
      const heard = edges.map(() => [] as string[]);
      for (const [index, edge] of edges.entries()) {
        edge.receiveEvents(
          ({ message_id }) => heard[index]!.push(message_id!),
          () => heard[index]!.push('missed'),
        );
      }
      await ready(service!, ...edges);
      const events = [message('image.created'), message('image.updated')];
      for (const event of events) await service!.sendEvent(event);
      const expected = ['missed', ...events.map(({ message_id }) => message_id)];
      await eventually(() => assert.deepEqual(heard, [expected, expected]));
    });

    test('it tells whether it is connected, and answers a ping', async () => {
      await using broker = await open();
      const hub = await broker.hub('edge');
      await ready(hub);
      assert.equal(hub.connected, true);
      await hub.ping();
      await hub.close();
      assert.equal(hub.connected, false);
      await assert.rejects(hub.ping());
    });
  });
}

function failed(error: Error): void {
  throw error;
}

async function ready(...hubs: Hub[]): Promise<void> {
  await Promise.all(hubs.map((hub) => hub.connect(AbortSignal.timeout(10_000))));
}

function message(type: Message['type']): Message {
  const message_id = randomUUID();
  const body = JSON.stringify({ data: type });
  return { type, message_id, correlation_id: message_id, timestamp: Date.now(), body };
}
