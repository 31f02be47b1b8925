import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { FileBlobStore } from '../../src/storage-service/blobs/file-blob-store.ts';
import { SqliteCatalog } from '../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { Damages } from '../../src/storage-service/damages.ts';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { pauseMs, Scrub } from '../../src/storage-service/scrub.ts';
import { blobPath, DAMAGES } from '../services/damage.ts';
import { eventually } from '../services/data-folder.ts';
import { DAY_MS, opening, temporaryFolder } from './opening.ts';

/** A data folder with images, in order of hash, and scrubs over it. */
async function setUp(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  const { create, close } = await opening(t, dataDir);
  const images = [await create(), await create(), await create(), await create()];
  await close();
  images.sort((a, b) => (a.content.sha256 < b.content.sha256 ? -1 : 1));
  const folder = partsOf(dataDir);
  const catalog = await SqliteCatalog.open(folder.catalog);
  t.after(() => catalog.close());
  const told: Record<string, unknown>[] = [];
  const log = { info() {}, error: (line: object) => void told.push(line as never) };
  const damages = new Damages(catalog, log);
  const blobs = new FileBlobStore(folder.blobs, damages);
  const start = () => {
    const parts = { catalog, blobs, observer: damages, place: folder.scrub, days: 30, log };
    const scrub = new Scrub(parts);
    t.after(() => scrub.stop());
    return scrub;
  };
  return { dataDir, images, told, damages, start, place: folder.scrub };
}

test('a scrub finds the damage that nobody asked for, and names the images', async (t) => {
  const { dataDir, images, told, damages, start } = await setUp(t);
  const [first, second, third] = images;
  const path = (index: number) => blobPath(dataDir, images[index]!.content.sha256);
  await DAMAGES.flipped(path(0));
  await DAMAGES.missing(path(1));
  await DAMAGES.cut(path(2));
  const before = await readFile(path(0));
  const scrub = start();
  await scrub.round();
  assert.deepEqual(damages.counts, { missing: 1, size: 0, hash: 2, unreadable: 0 });
  await eventually(() => assert.equal(told.length, 3));
  const named = told.map(({ damage, images: ids }) => `${damage} ${ids}`).sort();
  const expected = [`hash ${first!.id}`, `hash ${third!.id}`, `missing ${second!.id}`];
  assert.deepEqual(named, expected.sort());
  assert.deepEqual(await readFile(path(0)), before, 'a scrub changes nothing');
  assert.equal(scrub.read.blobs, 4);
});

test('a scrub goes on where the process before it ended', async (t) => {
  const { images, start, place } = await setUp(t);
  await writeFile(place, JSON.stringify({ after: images[1]!.content.sha256, started: Date.now() }));
  const scrub = start();
  await scrub.round();
  assert.equal(scrub.read.blobs, 2);
});

test('a round is not repeated before its time, whatever restarts', async (t) => {
  const { start, place } = await setUp(t);
  await start().round();
  const again = start();
  await again.round();
  assert.equal(again.read.blobs, 0);
  await again.round(Date.now() + 31 * DAY_MS);
  assert.equal(again.read.blobs, 4);

  for (const odd of ['', '{', '{"after":1}', JSON.stringify({ after: '', started: 'x' })]) {
    await writeFile(place, odd);
    const anew = start();
    await anew.round();
    assert.equal(anew.read.blobs, 4, odd);
  }
  // A clock that was ahead does not put the next one off for longer.
  await writeFile(place, JSON.stringify({ after: '', started: Date.now() + 900 * DAY_MS }));
  const late = start();
  await late.round(Date.now() + 31 * DAY_MS);
  assert.equal(late.read.blobs, 4);
});

test('a scrub that is stopped keeps its place', async (t) => {
  const { start } = await setUp(t);
  const scrub = start();
  const round = scrub.round();
  await scrub.stop();
  await round;
  const next = start();
  await next.round();
  assert.equal(next.read.blobs + scrub.read.blobs, 4);
});

test('a scrub spreads its reading over its days, and reads slowly in any case', () => {
  const terabyte = 1024 ** 4;
  const seconds = pauseMs(terabyte, terabyte, 30) / 1000;
  assert.equal(Math.round(seconds / 86_400), 24);
  assert.equal(pauseMs(256 * 1024, 1024, 30), 1000);
});
