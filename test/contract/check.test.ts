import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf } from '../../src/contract/check.ts';
import { ImageFilter } from '../../src/contract/image.ts';

test('faults are told up to a bound, and names cut, however many and long they are', () => {
  const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`field${n}`, n]));
  assert.equal(faultsOf(ImageFilter, many).length, 20);
  const [fault] = faultsOf(ImageFilter, { ['x'.repeat(1_000_000)]: 1 });
  assert.ok(JSON.stringify(fault).length < 1_000);
});
