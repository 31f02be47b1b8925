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

test('the refusal names every supported format, and the one that was sent when it is known', () => {
  const told = (head: string) => {
    const { code, message } = unsupportedFormat(Buffer.from(head, 'latin1'));
    assert.equal(code, 'unsupported_media_type');
    assert.match(message, /Supported: PNG, JPEG, WebP, GIF, AVIF\./);
    return message;
  };
  for (const [name, ...heads] of [
    ['HEIC', box('ftyp', 'heic\0\0\0\0mif1heic'), box('ftyp', 'mif1\0\0\0\0mif1heic')],
    ['MP4 video', box('ftyp', 'isom\0\0\0\0isommp42')],
    ['QuickTime video', box('ftyp', 'qt  \0\0\0\0'), '\0\0\0\x08moov'],
    ['JPEG XL', '\xff\x0a\xfa', '\0\0\0\x0cJXL \r\n\x87\n'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n', '\xff\x4f\xff\x51\0'],
    ['TIFF', 'II*\0\x08\0\0\0', 'MM\0*\0\0\0\x08'],
    ['BMP', 'BM\x36\x10\x0e\0\0\0\0\0\x36'],
    ['ICO', '\0\0\x01\0\x01\0'],
    [
      'SVG',
      '<svg xmlns=',
      ' <?xml version="1.0"?>\n<!-- made by hand -->\n<svg>',
      '\xef\xbb\xbf<svg>',
    ],
    ['HTML', '<!DOCTYPE html>', '\r\n<html lang="en">'],
    ['PDF', '%PDF-1.7'],
    ['ZIP', 'PK\x03\x04'],
    ['WebM', '\x1a\x45\xdf\xa3'],
    ['AVI video', 'RIFF\0\0\0\0AVI LIST'],
    ['data URL', 'data:image/png;base64,iVBO'],
    ['Base64', 'iVBORw0KGgoAAAANSUhEUg'],
    ['transfer as text', '\x89PNG\n\x1a\n\0', '\xef\xbf\xbdPNG\r\n'],
    ['JSON', '{"name": "Elf"}'],
  ] as const) {
    for (const head of heads) {
      const message = told(Buffer.from(head as string, 'latin1').toString('latin1'));
      assert.ok(message.includes(name) && message.includes('is not supported'), message);
    }
  }
  assert.match(told(''), /^The file is empty\./);
  for (const head of ['\xff', 'BMW', 'RIFF', 'Once upon a time']) {
    assert.match(told(head), /^Unsupported image format\./, head);
  }
});
