import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { HARMLESS, HIDDEN } from '../fixtures/hidden.ts';
import { LOCATED, tellsPlace, turned, UNLOCATED } from '../fixtures/located.ts';
import { inspecting } from './inspecting.ts';

const pixels = (bytes: Buffer) => sharp(bytes).raw().toBuffer();

test('a file that tells a place loses it, and neither a pixel nor its colour profile', async (t) => {
  const { inspect, edited } = await inspecting(t);
  for (const { name, bytes } of [...LOCATED, ...HIDDEN]) {
    await t.test(name, async () => {
      const sent = await bytes();
      const { facts, edits } = await inspect(sent);
      const served = await edited(sent, edits);
      assert.equal(tellsPlace(sent), true);
      assert.equal(tellsPlace(served), false);
      assert.deepEqual(await pixels(served), await pixels(sent));
      const [before, after] = [await sharp(sent).metadata(), await sharp(served).metadata()];
      assert.deepEqual(after.icc, before.icc);
      const again = await inspect(served);
      assert.deepEqual(again.edits, []);
      assert.deepEqual(again.facts, facts);
    });
  }
});

test('a file that tells no place is kept bit for bit, whatever else it tells', async (t) => {
  const { inspect } = await inspecting(t);
  for (const { name, bytes } of [...UNLOCATED, ...HARMLESS]) {
    await t.test(name, async () => {
      assert.deepEqual((await inspect(await bytes())).edits, []);
    });
  }
});

test('the orientation survives the removal of the Exif block it stood in', async (t) => {
  const { inspect, edited } = await inspecting(t);
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    for (const orientation of [2, 6, 8]) {
      const sent = await turned(format, orientation);
      const { facts, edits } = await inspect(sent);
      const served = await edited(sent, edits);
      assert.equal(tellsPlace(sent), true);
      assert.equal(tellsPlace(served), false);
      assert.equal((await sharp(served).metadata()).orientation, orientation);
      assert.deepEqual([facts.width, facts.height], orientation === 2 ? [64, 40] : [40, 64]);
    }
  }
});

test('in a file of several images no byte moves, so that their index stays true', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const file = LOCATED.find(({ name }) => name === 'JPEG with a second image')!;
  const sent = await file.bytes();
  const { edits } = await inspect(sent);
  const served = await edited(sent, edits);
  assert.equal(edits.length, 2);
  assert.equal(served.length, sent.length);
  const second = served.subarray(served.lastIndexOf(Buffer.from([0xff, 0xd8, 0xff])));
  assert.equal((await sharp(second).metadata()).orientation, 6);
});

test('directories that share their bytes do not make the search long', {
  timeout: 30_000,
}, async (t) => {
  const { inspect, edited } = await inspecting(t);
  const { image, jpegSegment, withSegments } = await import('../fixtures/images.ts');
  // Each entry points to the directory as one of positions.
  const block = Buffer.alloc(65_000);
  block.write('MM\0*\0\0\0\x08', 'latin1');
  const entries = 5_000;
  block.writeUInt16BE(entries, 8);
  for (let n = 0; n < entries; n += 1) {
    block.writeUInt16BE(0x8825, 10 + n * 12);
    block.writeUInt32BE(8, 18 + n * 12);
  }
  const plain = await image('jpeg', { width: 40, height: 30 });
  const many = Array.from({ length: 100 }, () => jpegSegment(0xe5, block));
  const sent = withSegments(plain, ...many);
  assert.deepEqual(await edited(sent, (await inspect(sent)).edits), plain);
});

test('a block of metadata too large to read counts as telling a place', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const { pngChunk, image, withChunks } = await import('../fixtures/images.ts');
  const packet = Buffer.concat([
    Buffer.from('XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>'),
    Buffer.alloc(1024 * 1024, ' '),
  ]);
  const plain = await image('png');
  const sent = withChunks(plain, pngChunk('iTXt', packet));
  const { edits } = await inspect(sent);
  assert.deepEqual(await edited(sent, edits), plain);
});
