import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileBlobStore } from '../../src/storage-service/blobs/file-blob-store.ts';
import { SqliteCatalog } from '../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { KeyedLock } from '../../src/storage-service/keyed-lock.ts';
import { Sweeper } from '../../src/storage-service/sweeper.ts';
import { png } from '../services/api.ts';
import { assertEmpty, assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { DAY_MS, FIELDS, HOUR_MS, opening, temporaryFolder, writeCall } from './opening.ts';

async function setUp(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  return { dataDir, ...(await opening(t, dataDir)) };
}

/** The catalog alone, as of a process that dies in the middle of its work. */
async function withCatalog(dataDir: string, work: (catalog: SqliteCatalog) => Promise<unknown>) {
  const catalog = await SqliteCatalog.open(partsOf(dataDir).catalog);
  await work(catalog);
  await catalog.close();
}

test('bytes that nobody claims stay an hour', async (t) => {
  const { dataDir, sweeper, accept, store } = await setUp(t);
  const call = writeCall();
  const claim = await accept(await png(), call);
  assert.equal(await sweeper.sweep(Date.now() + 59 * 60_000), 0);
  assert.deepEqual((await contentsOf(dataDir)).blobs, [claim.sha256]);
  assert.equal(await sweeper.sweep(Date.now() + HOUR_MS + 1_000), 1);
  await assertEmpty(dataDir);
  await assert.rejects(store.createImage(FIELDS, claim, call), { code: 'content_missing' });
});

test('a deleted image goes when its retention ends, and its bytes a day later', async (t) => {
  const { dataDir, store, sweeper, create, bytesOf } = await setUp(t);
  const { id, content } = await create();
  const target = { image_id: id };
  await store.deleteImage(target, writeCall());
  await sweeper.sweep(Date.now() + 29 * DAY_MS);
  await store.restoreImage(target, writeCall());
  await store.deleteImage(target, writeCall());

  await withCatalog(dataDir, (catalog) => catalog.purge(Date.now() + 1, 10));
  await assert.rejects(store.restoreImage(target, writeCall()), { code: 'image_not_found' });
  await sweeper.sweep(Date.now() + 23 * HOUR_MS);
  assert.ok((await bytesOf(content.sha256)).length > 0, 'readers with older metadata break');
  assert.equal(await sweeper.sweep(Date.now() + 25 * HOUR_MS), 1);
  await assertEmpty(dataDir);
});

test('replaced bytes stay a day, and longer where another image has them', async (t) => {
  const { dataDir, store, sweeper, create, accept, bytesOf } = await setUp(t);
  const [shared, lone] = [await png(), await png()];
  await create(shared);
  const images = [await create(shared), await create(lone)];
  for (const { id } of images) {
    const call = writeCall();
    await store.replaceContent({ image_id: id }, await accept(await png(), call), call);
  }
  assert.equal(await sweeper.sweep(Date.now() + 23 * HOUR_MS), 0);
  assert.deepEqual(await bytesOf(images[1]!.content.sha256), lone);
  assert.equal(await sweeper.sweep(Date.now() + 25 * HOUR_MS), 1);
  assert.deepEqual(await bytesOf(images[0]!.content.sha256), shared);
  await assertNothingLeftOver(dataDir);
});

test('a write that is refused for good gives up its bytes at once', async (t) => {
  const { dataDir, store, create, accept } = await setUp(t);
  const image = await create();
  const call = writeCall();
  const stale = { image_id: image.id, if_sha256: 'ab'.repeat(32) };
  const claim = await accept(await png(), call);
  await assert.rejects(store.replaceContent(stale, claim, call), { code: 'precondition_failed' });

  const reused = writeCall();
  const bytes = await png();
  await store.createImage(FIELDS, await accept(bytes, reused), reused);
  const again = await accept(bytes, reused);
  assert.equal((await store.createImage(FIELDS, again, reused)).replayed, true);
  const other = await accept(await png(), reused);
  const expected = { code: 'operation_id_reused' };
  await assert.rejects(store.createImage(FIELDS, other, reused), expected);

  await assertNothingLeftOver(dataDir);
  assert.equal((await contentsOf(dataDir)).blobs.length, 2);
  assert.deepEqual((await contentsOf(dataDir)).leases, []);
});

test('a file without a row goes only when it is old, and never one that has a row', async (t) => {
  const { dataDir, sweeper, create } = await setUp(t);
  const { content } = await create();
  const shard = join(partsOf(dataDir).blobs, content.sha256.slice(0, 2));
  const [old, young] = ['0', 'f'].map((digit) => content.sha256.slice(0, 2) + digit.repeat(62));
  const inTwoHours = Date.now() + 2 * HOUR_MS;
  for (const name of [old!, young!]) await writeFile(join(shard, name), 'x');
  await utimes(join(shard, young!), new Date(), new Date(inTwoHours - 59 * 60_000));
  assert.equal(await sweeper.sweep(inTwoHours), 1);
  assert.deepEqual((await contentsOf(dataDir)).blobs, [content.sha256, young].sort());
});

test('a death between a row and its file is made good by the next sweep', async (t) => {
  const first = await setUp(t);
  const { sha256 } = await first.accept(await png(), writeCall());
  const kept = await first.create();
  await first.close();
  await withCatalog(first.dataDir, async (catalog) => {
    assert.equal(await catalog.forgetBlob(sha256, Date.now() + 2 * HOUR_MS), true);
  });
  assert.ok((await contentsOf(first.dataDir)).blobs.includes(sha256));

  const second = await opening(t, first.dataDir);
  assert.equal(await second.sweeper.sweep(), 1);
  assert.deepEqual((await contentsOf(first.dataDir)).blobs, [kept.content.sha256]);
  await assertNothingLeftOver(first.dataDir);
});

test('bytes that came again before they were removed stay, and are not asked for again', async (t) => {
  const first = await setUp(t);
  const bytes = await png();
  const { sha256 } = await first.accept(bytes, writeCall());
  await first.close();
  await withCatalog(first.dataDir, (catalog) => catalog.forgetBlob(sha256, Date.now() + DAY_MS));

  const second = await opening(t, first.dataDir);
  await second.create(bytes);
  assert.equal(await second.sweeper.sweep(), 0);
  assert.deepEqual(await second.bytesOf(sha256), bytes);
  await assertNothingLeftOver(first.dataDir);
});

test('a death between a file and its row leaves nothing', async (t) => {
  const first = await setUp(t);
  const { content } = await first.create();
  await first.close();
  const { blobs, incoming } = partsOf(first.dataDir);
  const orphan = content.sha256.slice(0, 2) + '1'.repeat(62);
  await writeFile(join(blobs, orphan.slice(0, 2), orphan), 'x');
  await writeFile(join(incoming, `${randomUUID()}.${orphan}`), 'x');
  await writeFile(join(incoming, `${randomUUID()}.${content.sha256}`), 'x');

  const second = await opening(t, first.dataDir);
  await second.sweeper.releaseUploads();
  await assertNothingLeftOver(first.dataDir);
  assert.equal((await second.bytesOf(content.sha256)).length, content.size_bytes);
});

test('a blob file that no row vouches for is written anew', async (t) => {
  const { dataDir, store, create, bytesOf } = await setUp(t);
  const bytes = await png();
  const { content, id } = await create(bytes);
  const path = join(partsOf(dataDir).blobs, content.sha256.slice(0, 2), content.sha256);

  await writeFile(path, bytes.subarray(0, 10));
  await create(bytes);
  assert.deepEqual(await bytesOf(content.sha256), bytes, 'a row, but another size');
  assert.equal((await store.getImage(id, writeCall())).version, 1);

  const other = await png();
  const call = writeCall();
  const { sha256 } = await (await opening(t, await temporaryFolder(t))).accept(other, call);
  const stray = join(partsOf(dataDir).blobs, sha256.slice(0, 2));
  await mkdir(stray, { recursive: true });
  await writeFile(join(stray, sha256), Buffer.alloc(other.length));
  await create(other);
  assert.deepEqual(await bytesOf(sha256), other, 'the size, but no row');
});

test('however sweeps, discards and creates meet, no row is without its bytes', async (t) => {
  const { dataDir, store, sweeper, accept, bytesOf } = await setUp(t);
  const pool = await Promise.all([png(), png(), png()]);
  let going = true;
  let created = 0;
  let missed = 0;
  const creating = async (bytes: Buffer) => {
    for (let round = 0; round < 60; round += 1) {
      const call = writeCall();
      const claim = await accept(bytes, call);
      try {
        const { value } = await store.createImage(FIELDS, claim, call);
        assert.deepEqual(await bytesOf(value.content.sha256), bytes);
        await store.deleteImage({ image_id: value.id }, writeCall());
        created += 1;
      } catch (error) {
        // The sweeps below are of a time when every lease has ended.
        if ((error as { code: string }).code !== 'content_missing') throw error;
        missed += 1;
      }
    }
  };
  const discarding = async (bytes: Buffer) => {
    while (going) {
      const call = writeCall();
      await accept(bytes, call);
      await store.discardContent(call);
    }
  };
  const sweeping = async () => {
    while (going) await sweeper.sweep(Date.now() + 40 * DAY_MS);
  };
  const others = Promise.all([...pool.map(discarding), sweeping()]);
  try {
    await Promise.all([...pool, ...pool].map(creating));
  } finally {
    going = false;
  }
  await others;
  assert.ok(created > 50, `${created} created, ${missed} missed their bytes`);
  await assertNothingLeftOver(dataDir);
  await sweeper.sweep(Date.now() + 40 * DAY_MS);
  await assertEmpty(dataDir);
  t.diagnostic(`${created} created, ${missed} missed their bytes`);
});

test('a part of a round that fails is logged and keeps no other part from its work', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { create, store, close } = await opening(t, dataDir);
  const { id } = await create();
  await store.deleteImage({ image_id: id }, writeCall());
  await close();
  const folder = partsOf(dataDir);
  const catalog = await SqliteCatalog.open(folder.catalog);
  t.after(() => catalog.close());
  const lines: { level: string; part?: unknown; names?: unknown }[] = [];
  const log = {
    info: (data: object) => void lines.push({ level: 'info', ...data }),
    error: (data: object) => void lines.push({ level: 'error', ...data }),
  };
  let broken = true;
  const intake = {
    recover: async () => {
      if (broken) throw new Error('the folder of uploads cannot be read');
      return ['@eaDir'];
    },
  };
  const sweeper = new Sweeper({
    catalog,
    blobs: new FileBlobStore(folder.blobs),
    intake,
    locks: new KeyedLock(),
    log,
    retentionDays: 0,
    intervalMs: HOUR_MS,
  });
  await sweeper.sweep(Date.now() + 1_000);
  assert.deepEqual((await contentsOf(dataDir)).images, []);
  assert.deepEqual(
    lines.map(({ level, part }) => [level, part]),
    [['error', 'uploads']],
  );
  broken = false;
  for (let round = 0; round < 2; round += 1) await sweeper.sweep(Date.now() + 2 * DAY_MS);
  await assertEmpty(dataDir);
  assert.deepEqual(
    lines.slice(1).map(({ level, names }) => [level, names]),
    [['info', ['@eaDir']]],
  );
});
