import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { FILMED, FILMS, SOUND } from '../fixtures/films.ts';
import { image } from '../fixtures/images.ts';
import { tellsPlace } from '../fixtures/located.ts';
import { inspecting } from './inspecting.ts';

const pixels = (bytes: Buffer) => sharp(bytes).raw().toBuffer();
/** Indexes point into these files by offsets from their start and from their end. */
const stretchesBeside = (bytes: Buffer) => bytes.indexOf(SOUND);

test('a film beside the picture tells no place, and no byte of the file moves', async (t) => {
  const { inspect, edited } = await inspecting(t);
  for (const { name, bytes } of FILMED) {
    await t.test(name, async () => {
      const sent = await bytes();
      assert.equal(tellsPlace(sent), true);
      const { edits } = await inspect(sent);
      const served = await edited(sent, edits);
      assert.equal(tellsPlace(served), false);
      assert.equal(served.length, sent.length);
      assert.equal(stretchesBeside(served), stretchesBeside(sent));
      assert.deepEqual(await pixels(served), await pixels(sent));
      assert.deepEqual((await inspect(served)).edits, []);
    });
  }
});

test('a file with a film that tells no place is kept bit for bit', async (t) => {
  const { inspect } = await inspecting(t);
  const movie = FILMS['user data']!;
  const freed = Buffer.from(movie);
  freed.write('free', freed.indexOf('\xa9xyz', 0, 'latin1'), 'latin1');
  for (const format of ['jpeg', 'png', 'webp', 'gif'] as const) {
    const sent = Buffer.concat([await image(format, { width: 40, height: 30 }), freed]);
    assert.deepEqual((await inspect(sent)).edits, []);
  }
});
