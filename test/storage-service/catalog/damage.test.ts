import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, type TestContext, test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import type { Command } from '../../../src/storage-service/catalog/catalog.ts';
import { SqliteCatalog } from '../../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { call, drive } from '../../suites/catalog/drive.ts';

const IMAGES = 120;
const PAGE_BYTES = 4_096;

const folder = await mkdtemp(join(tmpdir(), 'damage-'));
after(() => rm(folder, { recursive: true }));
const SOUND = join(folder, 'sound.sqlite');
const images = await fill(SOUND);

async function fill(path: string): Promise<Image[]> {
  const catalog = await SqliteCatalog.open(path);
  const { create, list } = drive(() => catalog);
  const one = (i: number) =>
    create({ name: `n${i}`, description: `word${i} ${'x'.repeat(500)}`, tags: ['same'] });
  await Promise.all(Array.from({ length: IMAGES }, (_, i) => one(i)));
  const { items } = await list({ sort: 'created_at', limit: 200 });
  await catalog.close();
  return items;
}

/** A copy of a catalog with images, for the test to damage and then to open. */
async function setUp(t: TestContext) {
  const path = join(folder, `${randomUUID()}.sqlite`);
  await copyFile(SOUND, path);
  const reopen = async () => {
    const found = Promise.withResolvers<string>();
    const errors: string[] = [];
    const log = {
      info: () => {},
      warn: () => {},
      error: ({ err }: { err?: Error }, message: string) => {
        errors.push(`${message} ${(err?.cause as Error)?.message ?? err?.cause}`);
        found.resolve(errors[0]!);
      },
    };
    const catalog = await SqliteCatalog.open(path, log);
    t.after(() => catalog.close());
    return { catalog, errors, found: found.promise, ...drive(() => catalog) };
  };
  const change = (sql: string) => {
    using db = new DatabaseSync(path);
    db.exec(sql);
  };
  return { path, reopen, change };
}

/** Overwrites leaves of a table or an index in the middle of its pages. */
async function overwrite(path: string, name: string): Promise<void> {
  using db = new DatabaseSync(path);
  const pages = db
    .prepare(`select pageno from dbstat where name = ? and pagetype = 'leaf' order by path`)
    .all(name)
    .map(({ pageno }) => pageno as number);
  db.close();
  const file = await open(path, 'r+');
  for (const page of pages.slice(pages.length / 3, (pages.length * 2) / 3 + 1)) {
    await file.write(randomBytes(PAGE_BYTES), 0, PAGE_BYTES, (page - 1) * PAGE_BYTES);
  }
  await file.close();
}

const damages: [string, (parts: Awaited<ReturnType<typeof setUp>>) => Promise<void> | void][] = [
  ['pages of images', ({ path }) => overwrite(path, 'images')],
  ['pages of the search index', ({ path }) => overwrite(path, 'search_live_data')],
  [
    'a row whose text was changed',
    ({ change }) => change(`update images set tags = '[' where seq = 60`),
  ],
  [
    'a row whose time was changed',
    ({ change }) => change('update images set created_at = 1e300 where seq = 60'),
  ],
];
for (const [what, damage] of damages) {
  test(`${what}: lists say that storage is unavailable, writes end, other reads go on`, async (t) => {
    const parts = await setUp(t);
    await damage(parts);
    const { catalog, errors, list, write, lease } = await parts.reopen();
    await assert.rejects(list({ limit: 200 }), {
      code: 'storage_unavailable',
      message: /damaged.*verify.*backup/,
    });
    await assert.rejects(list({ limit: 200 }), { code: 'storage_unavailable' });
    assert.equal(catalog.damaged, true);
    const image = images[0]!;
    assert.deepEqual(await catalog.findImage(image.id, call()), image);
    assert.ok((await catalog.listThemes(call())).length > 0);
    const remove: Command = { operation: 'delete_image', image_id: image.id, if_version: null };
    for (const refused of [write(remove), lease('other'), catalog.purge(Date.now(), 1)]) {
      await assert.rejects(refused, { code: 'storage_unavailable', message: /damaged/ });
    }
    const fault = await catalog.ping(call());
    assert.equal(fault?.code, 'storage_unavailable');
    assert.match(fault.message, /damaged/);
    assert.deepEqual(await catalog.unpublishedEvents(10), []);
    assert.equal(errors.length, 1, 'told once');
    assert.match(errors[0]!, /npm run verify.*backup/);
  });
}

test('a check of the whole names all that cannot be read, and a repair does what it can', async (t) => {
  const { path, change, reopen } = await setUp(t);
  await overwrite(path, 'search_live_data');
  change(`update themes set image_count = 7 where name = 'horror'`);
  const { catalog } = await reopen();
  const faults = await catalog.check();
  assert.match(faults.join('\n'), /the search index cannot be read/);
  assert.match(faults.join('\n'), /theme horror says 7 images and has 0/);
  await assert.rejects(catalog.rebuild(), { message: /damaged/ });
});

test('a repair is the one write that a damaged catalog still takes', async (t) => {
  const { change, reopen } = await setUp(t);
  change(`insert into search_live (search_live) values ('delete-all');
    update themes set synonyms = '[' where name = 'horror'`);
  const { catalog } = await reopen();
  await assert.rejects(catalog.listThemes(call()), { message: /damaged/ });
  assert.match((await catalog.check()).join(), /search_live holds 0 rows for 120 images/);
  await catalog.rebuild();
  assert.deepEqual(await catalog.check(), []);
  await assert.rejects(catalog.expireUploadLeases(), { message: /damaged/ });
});

test('a write that meets damage ends all writes', async (t) => {
  const { path, reopen } = await setUp(t);
  await overwrite(path, 'images');
  const { catalog, write, errors } = await reopen();
  const outcomes = await Promise.allSettled(
    images.map(({ id }) => write({ operation: 'delete_image', image_id: id, if_version: null })),
  );
  const refused = outcomes.findIndex(({ status }) => status === 'rejected');
  assert.ok(refused > 0, 'the first image is whole');
  for (const outcome of outcomes.slice(refused)) {
    assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'storage_unavailable');
  }
  assert.equal(catalog.damaged, true);
  assert.equal(errors.length, 1);
});

test('damage that nobody has met is found by the check, which says nothing of a sound catalog', async (t) => {
  const { path, reopen } = await setUp(t);
  const sound = await reopen();
  await sound.catalog.lookForDamage({ afterMs: 0 });
  assert.equal(sound.catalog.damaged, false);
  await sound.catalog.close();
  await overwrite(path, 'images_by_name');
  const { catalog, found } = await reopen();
  await catalog.lookForDamage({ afterMs: 0 });
  assert.match(await found, /The catalog is damaged/);
  assert.equal((await catalog.ping(call()))?.code, 'storage_unavailable');
});

test('a check that takes too long is stopped, and so is one whose catalog is closed', async (t) => {
  const { reopen } = await setUp(t);
  const { catalog } = await reopen();
  await catalog.lookForDamage({ afterMs: 0, maxMs: 1 });
  assert.equal(catalog.damaged, false);
  const looking = catalog.lookForDamage({ afterMs: 0 });
  const waiting = catalog.lookForDamage();
  await catalog.close();
  await Promise.all([looking, waiting]);
  assert.equal(catalog.damaged, false);
});
