import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTILE, ODD_BUT_TAKEN } from '../fixtures/hostile.ts';
import { inspecting } from './inspecting.ts';

test('every hostile file is refused with the code that tells why, by one process', async (t) => {
  const { pool, inspect } = await inspecting(t);
  for (const { name, bytes, expected } of HOSTILE) {
    await t.test(name, async () => {
      await assert.rejects(inspect(await bytes()), (error: { code: string; message: string }) => {
        assert.equal(expected.join(' or '), error.code, error.message);
        assert.doesNotMatch(error.message, /vips|\/|\bat\b .*:\d+/i);
        return true;
      });
      assert.equal(pool.load.running, true);
    });
  }
});

test('an odd but readable file is taken as what its bytes are, and kept', async (t) => {
  const { inspect } = await inspecting(t);
  for (const { name, bytes, mediaType } of ODD_BUT_TAKEN) {
    await t.test(name, async () => {
      const { facts, edits } = await inspect(await bytes());
      assert.equal(facts.media_type, mediaType);
      assert.deepEqual(edits, []);
    });
  }
});
