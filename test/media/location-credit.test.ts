import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import {
  ARTIST,
  CARRIERS,
  COPYRIGHT,
  creditedTiff,
  rawTiffOf,
  tagsOf,
} from '../fixtures/credited.ts';
import { creditedWithThumbnail } from '../fixtures/hidden.ts';
import { image, jpegSegment, withSegments } from '../fixtures/images.ts';
import { PLACE, photoshop, tellsPlace, xmpSegment } from '../fixtures/located.ts';
import { inspecting } from './inspecting.ts';

const pixels = (bytes: Buffer) => sharp(bytes).raw().toBuffer();

async function tiffOf(bytes: Buffer): Promise<Buffer> {
  const raw = rawTiffOf(bytes);
  if (raw) return raw;
  const { exif } = await sharp(bytes).metadata();
  return exif!.subarray(exif!.toString('latin1', 0, 4) === 'Exif' ? 6 : 0);
}

test('Exif that tells no place is kept bit for bit, with a GPS directory or without', async (t) => {
  const { inspect } = await inspecting(t);
  for (const [name, { bytes }] of Object.entries(CARRIERS)) {
    for (const gps of ['version', 'time', 'empty', 'unset', 'none'] as const) {
      const { edits } = await inspect(await bytes(creditedTiff({ gps })));
      assert.deepEqual(edits, [], `${name}, ${gps}`);
    }
  }
});

test('where Exif tells a place, artist, copyright and orientation stay', async (t) => {
  const { inspect, edited } = await inspecting(t);
  for (const [name, { format, bytes }] of Object.entries(CARRIERS)) {
    for (const little of [true, false]) {
      const sent = await bytes(creditedTiff({ little }));
      assert.equal(tellsPlace(sent), true, name);
      const { edits, facts } = await inspect(sent);
      const served = await edited(sent, edits);
      assert.equal(tellsPlace(served), false, name);
      if (!name.includes('compressed')) assert.equal(served.length, sent.length, name);
      assert.deepEqual(await pixels(served), await pixels(sent));
      assert.deepEqual(await inspect(served), { facts, edits: [] });
      const tags = tagsOf(await tiffOf(served));
      assert.equal(tags.get(0x013b)?.toString(), `${ARTIST}\0`, name);
      assert.equal(tags.get(0x8298)?.toString(), `${COPYRIGHT}\0`);
      assert.equal(tags.get(0xa434)?.toString(), 'A lens\0');
      assert.equal(tags.has(0x8825), false);
      // AVIF turns by its own property, and libvips does not read raw profiles.
      const { orientation } = await sharp(sent).metadata();
      if (format !== 'avif' && !name.includes('raw')) assert.equal(orientation, 6, name);
      assert.equal((await sharp(served).metadata()).orientation, orientation);
    }
  }
});

test('vendor notes go with a place and stay without one', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const note = `taken at ${PLACE}`;
  const { bytes } = CARRIERS.JPEG!;
  const located = await bytes(creditedTiff({ note }));
  const served = await edited(located, (await inspect(located)).edits);
  assert.equal(tellsPlace(served), false);
  assert.equal(tagsOf(await tiffOf(served)).has(0x927c), false);
  assert.deepEqual((await inspect(await bytes(creditedTiff({ note, gps: 'version' })))).edits, []);
});

test('a block goes as a whole where the place cannot be taken out with certainty', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const cases: Record<string, (tiff: Buffer) => Buffer> = {
    'the directory is cut short': (tiff) => tiff.subarray(0, -60),
    'the value is also that of the artist': (tiff) => {
      const entry = tiff.lastIndexOf(Buffer.from([2, 0, 5, 0, 3, 0, 0, 0]));
      tiff.writeUInt32LE(tiff.indexOf(ARTIST), entry + 8);
      return tiff;
    },
    'a thumbnail has a block of its own': (tiff) =>
      Buffer.concat([tiff, Buffer.from('Exif\0\0'), creditedTiff()]),
  };
  for (const [name, change] of Object.entries(cases)) {
    await t.test(name, async () => {
      const sent = await CARRIERS.JPEG!.bytes(change(creditedTiff()));
      const served = await edited(sent, (await inspect(sent)).edits);
      assert.equal(tellsPlace(served), false);
      assert.equal((await sharp(served).metadata()).orientation, 6);
      assert.deepEqual(await pixels(served), await pixels(sent));
      assert.equal(served.includes(ARTIST), false);
    });
  }
});

test('a thumbnail that tells a place goes alone, and the credit beside it stays', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const sent = await creditedWithThumbnail();
  assert.equal(tellsPlace(sent), true);
  const served = await edited(sent, (await inspect(sent)).edits);
  assert.equal(tellsPlace(served), false);
  assert.equal(served.length, sent.length);
  assert.equal((await sharp(served).metadata()).orientation, 6);
  assert.equal(
    tagsOf(await tiffOf(served))
      .get(0x013b)
      ?.toString(),
    `${ARTIST}\0`,
  );
  assert.deepEqual((await inspect(served)).edits, []);
});

const packet = (place: (text: string) => string) =>
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmlns:e="http://ns.adobe.com/exif/1.0/"' +
  `${place(' e:GPSLatitude="48,51.5N"')}${place(` photoshop:City='${PLACE}'`)} xmp:Rating="5">` +
  `${place(`<Iptc4xmpExt:LocationShown rdf:parseType="Resource"><e:x>${PLACE}</e:x></Iptc4xmpExt:LocationShown>`)}` +
  `<dc:creator><rdf:Seq><rdf:li>${ARTIST}</rdf:li></rdf:Seq></dc:creator><dc:rights>${COPYRIGHT}</dc:rights>` +
  `${place(`<photoshop:Country>${PLACE}</photoshop:Country>`)}</rdf:Description></rdf:RDF></x:xmpmeta>`;

test('of XMP the properties that tell a place become spaces, and all others stay', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const plain = await image('jpeg', { width: 64, height: 40 });
  const sent = withSegments(plain, xmpSegment(packet((text) => text)));
  const served = await edited(sent, (await inspect(sent)).edits);
  const expected = withSegments(plain, xmpSegment(packet((text) => ' '.repeat(text.length))));
  assert.equal(served.toString('latin1'), expected.toString('latin1'));
});

test('of IPTC the datasets that tell a place go, and all others stay', async (t) => {
  const { inspect, edited } = await inspecting(t);
  const dataset = (number: number, value: string) =>
    Buffer.concat([Buffer.from([0x1c, 2, number, 0, value.length]), Buffer.from(value)]);
  const credit = [dataset(80, ARTIST), dataset(116, COPYRIGHT)];
  const places = [90, 92, 95, 100, 101, 26, 27].map((number) => dataset(number, PLACE));
  const length = places.reduce((sum, bytes) => sum + bytes.length, 0);
  const file = async (...datasets: Buffer[]) => {
    const resources = photoshop(Buffer.concat(datasets));
    const segment = jpegSegment(0xed, 'Photoshop 3.0\0', resources);
    return withSegments(await image('jpeg', { width: 64, height: 40 }), segment);
  };
  const sent = await file(credit[0]!, ...places, credit[1]!);
  const served = await edited(sent, (await inspect(sent)).edits);
  assert.deepEqual(served, await file(...credit, Buffer.alloc(length)));
  assert.deepEqual((await inspect(await file(...credit, dataset(90, '')))).edits, []);
});
