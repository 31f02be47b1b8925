import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AsyncMessage } from 'rabbitmq-client';
import { receivedOf } from '../../src/hub/amqp/properties.ts';

const received = (headers: object, body: unknown = {}) =>
  receivedOf({ headers, body } as unknown as AsyncMessage);

test('headers that would come back in an answer are taken only in their form', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const good = received({ request_id: 'abc-1', traceparent });
  assert.deepEqual([good.request_id, good.traceparent], ['abc-1', traceparent]);
  const long = received({ request_id: 'x'.repeat(130_900), traceparent: 'y'.repeat(5_000) });
  assert.deepEqual([long.request_id, long.traceparent], [undefined, undefined]);
  assert.equal(received({ request_id: 7 }).request_id, undefined);
});

test('a body is JSON, whatever it says it is, or nothing', () => {
  assert.deepEqual(received({}, Buffer.from('{"a":1}')).body, { a: 1 });
  assert.deepEqual(received({}, '{"a":1}').body, { a: 1 });
  assert.equal(received({}, Buffer.from('no')).body, undefined);
});
