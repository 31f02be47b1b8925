import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { KeyedLock } from '../../src/storage-service/keyed-lock.ts';

test('one holder at a time has a key, in order of asking; other keys do not wait', async () => {
  const lock = new KeyedLock();
  const order: number[] = [];
  let inside = 0;
  const turn = (number: number) =>
    lock.hold('a', async () => {
      inside += 1;
      assert.equal(inside, 1);
      await setImmediate();
      await lock.hold('b', async () => order.push(number));
      inside -= 1;
      return number;
    });
  const numbers = Array.from({ length: 50 }, (_, number) => number);
  assert.deepEqual(await Promise.all(numbers.map(turn)), numbers);
  assert.deepEqual(order, numbers);
});

test('a holder that fails lets the next one in, and fails alone', async () => {
  const lock = new KeyedLock();
  const failing = lock.hold('a', () => Promise.reject(new Error('no')));
  const next = lock.hold('a', async () => 'in');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'in');
  assert.equal(await lock.hold('a', async () => 'again'), 'again');
});
