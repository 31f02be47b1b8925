import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { thumbHashToAverageRGBA, thumbHashToRGBA } from 'thumbhash';
import { FORMATS, MEDIA_TYPES } from '../../src/contract/formats.ts';
import { paletteOf } from '../../src/media/decoder/palette.ts';
import { animatedAvif, animation, apng, image } from '../fixtures/images.ts';
import { inspecting } from './inspecting.ts';

const plain = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 4, background } });

test('every format tells its type and size, and gives a placeholder and colours', async (t) => {
  const { inspect } = await inspecting(t);
  for (const format of FORMATS) {
    const { facts } = await inspect(await image(format, { width: 321, height: 123 }));
    const { placeholder, palette, ...rest } = facts;
    assert.deepEqual(rest, { media_type: MEDIA_TYPES[format], width: 321, height: 123, pages: 1 });
    const { w, h } = thumbHashToRGBA(Buffer.from(placeholder, 'base64'));
    assert.ok(w > h);
    assert.ok(palette.length >= 1 && palette.every((colour) => /^#[\da-f]{6}$/.test(colour)));
  }
});

test('animations tell their frames, and look like their first one', async (t) => {
  const { inspect } = await inspecting(t);
  for (const bytes of [await animation('gif'), await animation('webp')]) {
    const { facts } = await inspect(bytes);
    assert.deepEqual([facts.width, facts.height, facts.pages], [60, 50, 10]);
    const { w, h } = thumbHashToRGBA(Buffer.from(facts.placeholder, 'base64'));
    assert.ok(w >= h, `${w} × ${h} is not one frame`);
  }
  const { facts } = await inspect(apng(7));
  assert.deepEqual([facts.width, facts.height, facts.pages], [4, 4, 7]);
  assert.deepEqual(facts.palette, ['#808080']);
});

test('an animated AVIF tells the frames and size of what browsers play', async (t) => {
  const { inspect } = await inspecting(t);
  const { facts } = await inspect(await animatedAvif(3));
  assert.deepEqual(
    [facts.media_type, facts.width, facts.height, facts.pages],
    ['image/avif', 64, 48, 3],
  );
  assert.ok(facts.palette.length > 0);
  // Of another major brand browsers show the still image.
  const still = await animatedAvif(3);
  still.write('avif', 8, 'latin1');
  assert.equal((await inspect(still)).facts.pages, 1);
  const odd = await image('avif');
  odd.write('miaf', 8, 'latin1');
  assert.equal((await inspect(odd)).facts.width, 320);
});

test('an animated AVIF that cannot be played or looked at is refused with the reason', async (t) => {
  const { inspect } = await inspecting(t);
  const refused = async (bytes: Buffer, code: string, message: RegExp) =>
    assert.rejects(inspect(bytes), { code, message });
  const alone = await animatedAvif(3, { stillImage: false });
  await refused(alone, 'unsupported_media_type', /animated AVIF without a still image/);
  await refused(await animatedAvif(1_001), 'too_many_frames', /1001 frames/);
  const bytes = await animatedAvif(3);
  const sizes = bytes.indexOf('stsz') + 4;
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(value, at);
    return copy;
  };
  await refused(changed(sizes + 20, 10_000_000), 'image_unreadable', /frame 3/);
  await refused(changed(sizes + 12, 0), 'image_unreadable', /frame 1/);
  await refused(changed(sizes + 8, 4), 'image_unreadable', /frame/);
  const entry = bytes.indexOf('av01', sizes - 200);
  await refused(changed(entry + 28, 0xffff_ffff), 'image_too_large', /65535/);
});

test('a GIF is as large as browsers show it, whatever libvips makes of its screen', async (t) => {
  const { inspect } = await inspecting(t);
  const gif = await image('gif', { width: 60, height: 50 });
  for (const [screen, shown] of [
    [
      [0, 0],
      [60, 50],
    ],
    [
      [10, 70],
      [60, 70],
    ],
    // libvips takes these for the size of the monitor on which the picture was drawn.
    [
      [800, 600],
      [800, 600],
    ],
    [
      [3_000, 2_500],
      [3_000, 2_500],
    ],
  ] as const) {
    const copy = Buffer.from(gif);
    copy.writeUInt16LE(screen[0], 6);
    copy.writeUInt16LE(screen[1], 8);
    const { facts } = await inspect(copy);
    assert.deepEqual([facts.width, facts.height, facts.pages], [...shown, 1]);
  }
});

test('grey, 16-bit, CMYK and palette images are seen in sRGB', async (t) => {
  const { inspect } = await inspecting(t);
  const red = plain(50, 50, '#c02020').removeAlpha();
  const images = {
    'palette PNG': red.clone().png({ palette: true }),
    '16-bit PNG': red.clone().toColourspace('rgb16').png(),
    'CMYK JPEG': red.clone().toColourspace('cmyk').jpeg(),
    'wide-gamut JPEG': red.clone().withIccProfile('p3').jpeg(),
  };
  for (const [name, file] of Object.entries(images)) {
    const { palette, placeholder } = (await inspect(await file.toBuffer())).facts;
    const { r, g } = thumbHashToAverageRGBA(Buffer.from(placeholder, 'base64'));
    assert.ok(r > 0.6 && g < 0.3, `${name}: ${r} ${g}`);
    assert.match(palette[0]!, /^#[bc][\da-f][1-3]/, name);
  }
  const grey = await red.clone().greyscale().png().toBuffer();
  assert.match((await inspect(grey)).facts.palette[0]!, /^#(..)\1\1$/);
});

test('the smallest image and a very long one are looked at too', async (t) => {
  const { inspect } = await inspecting(t);
  for (const [width, height] of [
    [1, 1],
    [1, 20_000],
    [20_000, 1],
  ] as const) {
    const { facts } = await inspect(await plain(width, height, '#00ff00').png().toBuffer());
    assert.deepEqual([facts.width, facts.height], [width, height]);
    assert.deepEqual(facts.palette, ['#00ff00']);
  }
});

test('equal bytes give equal facts', async (t) => {
  const { inspect } = await inspecting(t);
  const bytes = await image('jpeg');
  assert.deepEqual(await inspect(bytes), await inspect(bytes));
});

test('a palette counts what is seen, the most prominent first', () => {
  const pixel = (count: number, ...rgba: number[]) => Array(count).fill(rgba).flat();
  const rgba = Buffer.from([
    ...pixel(10, 250, 0, 0, 255),
    ...pixel(10, 240, 10, 10, 255),
    ...pixel(15, 0, 0, 250, 255),
    ...pixel(90, 0, 250, 0, 20),
  ]);
  assert.deepEqual(paletteOf(rgba), ['#f50505', '#0000fa']);
  assert.deepEqual(paletteOf(Buffer.from(pixel(9, 1, 2, 3, 0))), []);
});
