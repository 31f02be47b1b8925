import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORMATS } from '../../src/contract/formats.ts';
import { formatOf, HEAD_BYTES, unsupportedFormat } from '../../src/media/formats.ts';
import { box, image } from '../fixtures/images.ts';

test('each format is recognised by its first bytes', async () => {
  for (const format of FORMATS) {
    assert.equal(formatOf((await image(format)).subarray(0, HEAD_BYTES)), format);
  }
});

test('AVIF is told from HEIC by its brands, wherever they stand', () => {
  assert.equal(formatOf(box('ftyp', 'heic\0\0\0\0mif1heic')), null);
  assert.equal(formatOf(box('ftyp', 'mif1\0\0\0\0mif1avif')), 'avif');
  assert.equal(formatOf(box('ftyp', 'mif1avifmif1heic')), null, 'a version is no brand');
  assert.equal(formatOf(Buffer.concat([box('ftyp', 'heic\0\0\0\0'), Buffer.from('avif')])), null);
});

test('a head that is cut short is no format', () => {
  for (const length of [0, 1, 2, 4, 8, 11]) {
    assert.equal(formatOf(Buffer.from('RIFF\0\0\0\0WEBP').subarray(0, length)), null);
  }
});

test('the refusal names every format that is taken', () => {
  const { code, message } = unsupportedFormat();
  assert.equal(code, 'unsupported_media_type');
  for (const format of FORMATS) assert.ok(message.includes(format));
});
