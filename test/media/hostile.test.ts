import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTILE, ODD_BUT_TAKEN } from '../fixtures/hostile.ts';
import { image } from '../fixtures/images.ts';
import { LACKING_PIXELS, WHOLE_WITHOUT_END } from '../fixtures/without-end.ts';
import { inspecting } from './inspecting.ts';

test('every hostile file is refused with the code that tells why, by one process', async (t) => {
  const { pool, inspect } = await inspecting(t);
  const lacking = LACKING_PIXELS.map((file) => ({ ...file, expected: ['image_unreadable'] }));
  for (const { name, bytes, expected } of [...HOSTILE, ...lacking]) {
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

test('each kind of unreadable file has a text of its own', async (t) => {
  const { inspect } = await inspecting(t);
  const jpeg = await image('jpeg');
  const png = await image('png');
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  const changed = (bytes: Buffer, at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return copy;
  };
  const flipped = changed(png, png.length - 17, png[png.length - 17]! ^ 1);
  for (const [bytes, code, message] of [
    [
      jpeg.subarray(0, 5_000),
      'image_unreadable',
      /^The image is cut short: it ends before its picture/,
    ],
    [
      png.subarray(0, 5_000),
      'image_unreadable',
      /^The image is cut short: only \d+ % of its picture/,
    ],
    [
      png.subarray(0, 33),
      'image_unreadable',
      /^The image is cut short: it ends before its picture begins/,
    ],
    [
      (await image('webp')).subarray(0, 900),
      'image_unreadable',
      /^The image is cut short: it has 900 of \d+ bytes/,
    ],
    [
      (await image('gif')).subarray(0, 5_000),
      'image_unreadable',
      /^The image is cut short: it ends within .* a frame/,
    ],
    [
      (await image('avif')).subarray(0, 900),
      'image_unreadable',
      /^The image is cut short: its box "mdat" needs \d+/,
    ],
    [flipped, 'image_unreadable', /^The image is damaged: .*viewer\.$/],
    [changed(jpeg, frame + 1, 0xc9), 'unsupported_media_type', /arithmetic coding/],
    [changed(jpeg, frame + 1, 0xc3), 'unsupported_media_type', /lossless/],
    [changed(jpeg, frame + 4, 12), 'unsupported_media_type', /with 12 bits/],
  ] as const) {
    await assert.rejects(inspect(bytes), { code, message }, String(message));
  }
});

test('an odd but readable file is taken as what its bytes are, and kept', async (t) => {
  const { inspect } = await inspecting(t);
  for (const { name, bytes, mediaType } of [...ODD_BUT_TAKEN, ...WHOLE_WITHOUT_END]) {
    await t.test(name, async () => {
      const { facts, edits } = await inspect(await bytes());
      assert.equal(facts.media_type, mediaType);
      assert.deepEqual(edits, []);
    });
  }
});
