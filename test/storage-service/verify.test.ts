import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { png } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { runVerify } from '../services/service-process.ts';
import { HOUR_MS, opening, temporaryFolder, writeCall } from './opening.ts';

/** A data folder with a few images, and nobody who has it. */
async function setUp(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  const service = await opening(t, dataDir);
  const files = [await png(), await png(), await png()];
  const images = [];
  for (const bytes of files) images.push(await service.create(bytes));
  await service.store.deleteImage({ image_id: images[2]!.id }, writeCall());
  await service.close();
  const [image, bytes] = [images[0]!, files[0]!];
  return { dataDir, images, files, image, bytes, path: blobPath(dataDir, image.content.sha256) };
}

function blobPath(dataDir: string, sha256: string): string {
  return join(partsOf(dataDir).blobs, sha256.slice(0, 2), sha256);
}

async function assertClean(dataDir: string): Promise<void> {
  assert.deepEqual(await runVerify(dataDir), {
    code: 0,
    output: '3 images, 3 blobs checked: 0 wrong, 0 mended.\n',
  });
}

/** Sends the same bytes again, as another image that is then deleted. */
async function sendAgain(t: TestContext, dataDir: string, bytes: Buffer, sha256: string) {
  const service = await opening(t, dataDir);
  const call = writeCall();
  await service.accept(bytes, call);
  await service.store.discardContent(call);
  assert.deepEqual(await service.bytesOf(sha256), bytes);
  await service.close();
}

test('a whole data folder is clean, and a folder that is none is said to be none', async (t) => {
  const { dataDir } = await setUp(t);
  await assertClean(dataDir);
  const { code, output } = await runVerify(await temporaryFolder(t));
  assert.equal(code, 2);
  assert.match(output, /holds no catalog\. Name the data folder of a service/);
});

test('a check changes nothing: neither a backup nor what an older release is using', async (t) => {
  const { dataDir } = await setUp(t);
  const { catalog } = partsOf(dataDir);
  const change = (sql: string) => {
    using db = new DatabaseSync(catalog);
    db.exec(sql);
  };
  change('pragma journal_mode = delete');
  const before = await readFile(catalog);
  await assertClean(dataDir);
  assert.deepEqual(await readFile(catalog), before);

  change('pragma user_version = 3');
  const older = await readFile(catalog);
  for (const options of [[], ['--repair']]) {
    const { code, output } = await runVerify(dataDir, ...options);
    assert.equal(code, 2);
    assert.match(
      output,
      /catalog\.sqlite: .* schema version 3, .*Start the service of this release/,
    );
    assert.deepEqual(await readFile(catalog), older);
  }
});

test('missing bytes are found with the images that lack them; sending them again heals', async (t) => {
  const { dataDir, image, bytes, path } = await setUp(t);
  await rm(path);
  for (const options of [[], ['--repair']]) {
    const { code, output } = await runVerify(dataDir, ...options);
    assert.equal(code, 1);
    assert.match(output, new RegExp(`^missing: .*${image.content.sha256}.*${image.id}`));
    assert.match(output, /1 wrong, 0 mended/);
  }
  await sendAgain(t, dataDir, bytes, image.content.sha256);
  await assertClean(dataDir);
});

test('damaged bytes are found; repair sets them aside, so that sending them again heals', async (t) => {
  const { dataDir, image, bytes, path } = await setUp(t);
  const damaged = await readFile(path);
  damaged[damaged.length >> 1]! ^= 1;
  await writeFile(path, damaged);
  const found = await runVerify(dataDir);
  assert.equal(found.code, 1);
  assert.match(found.output, new RegExp(`^damaged: .*${image.content.sha256}`));
  assert.deepEqual(await readFile(path), damaged, 'without --repair nothing changes');

  const { code, output } = await runVerify(dataDir, '--repair');
  assert.equal(code, 1, 'the image still lacks its bytes');
  assert.match(output, /^mended damaged: .*\nmissing: /);
  await sendAgain(t, dataDir, bytes, image.content.sha256);
  await assertClean(dataDir);
});

test('entries that are no files are damaged ones: each is named, and sending them again heals', async (t) => {
  const { dataDir, images, files } = await setUp(t);
  const paths = images.map(({ content }) => blobPath(dataDir, content.sha256));
  for (const path of paths) await rm(path);
  await mkdir(paths[0]!);
  await symlink(paths[1]!, paths[1]!);
  execFileSync('mkfifo', [paths[2]!]);
  await mkdir(join(partsOf(dataDir).blobs, '@eaDir'));
  await mkdir(join(paths[0]!, '..', '@eaDir'));
  await mkdir(join(partsOf(dataDir).incoming, '@eaDir'));
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 1);
  for (const { id, content } of images.slice(0, 2)) {
    assert.match(output, new RegExp(`^damaged: .* ${content.sha256} .*${id}`, 'm'));
  }
  assert.match(output, new RegExp(`^damaged: .* ${images[2]!.content.sha256}`, 'm'));
  assert.match(output, /3 images, 3 blobs checked: 3 wrong, 0 mended/);
  for (const [at, bytes] of files.entries()) {
    await sendAgain(t, dataDir, bytes, images[at]!.content.sha256);
  }
  await assertClean(dataDir);
});

test('a repair refuses to remove what a catalog of other files does not know', async (t) => {
  const { dataDir, images } = await setUp(t);
  const few = images[0]!.content.sha256.slice(0, 2) + '0'.repeat(60);
  const orphans = Array.from({ length: 11 }, (_, at) => few + String(at + 10));
  for (const name of orphans) await writeFile(blobPath(dataDir, name), 'x');
  const found = await runVerify(dataDir);
  assert.match(found.output, /knows 3 of the 14 files.* probably not the catalog of these files/);
  assert.doesNotMatch(found.output, /Try --repair/);
  const refused = await runVerify(dataDir, '--repair');
  assert.equal(refused.code, 2);
  assert.match(refused.output, /would remove 11 of them.*restore.*--repair --remove-orphans/);
  assert.equal((await contentsOf(dataDir)).blobs.length, 14);
  const removed = await runVerify(dataDir, '--repair', '--remove-orphans');
  assert.match(removed.output, /: 0 wrong, 11 mended/);
  await assertClean(dataDir);

  // An empty catalog knows none of even a few files.
  const empty = await temporaryFolder(t);
  await (await opening(t, empty)).close();
  const lone = blobPath(empty, images[0]!.content.sha256);
  await mkdir(join(lone, '..'), { recursive: true });
  await writeFile(lone, 'x');
  const none = await runVerify(empty, '--repair');
  assert.deepEqual([none.code, /knows 0 of the 1 files/.test(none.output)], [2, true]);
  assert.deepEqual((await contentsOf(empty)).blobs, [images[0]!.content.sha256]);
});

test('bytes cut short are found as such; sending them again heals at once', async (t) => {
  const { dataDir, image, bytes, path } = await setUp(t);
  await writeFile(path, bytes.subarray(0, 20));
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^missing: .* are 20 instead of ${bytes.length}`, 'm'));
  await sendAgain(t, dataDir, bytes, image.content.sha256);
  await assertClean(dataDir);
});

test('files that belong to nothing are found, and removed by repair', async (t) => {
  const { dataDir, image } = await setUp(t);
  const orphan = image.content.sha256.slice(0, 2) + '0'.repeat(62);
  await writeFile(blobPath(dataDir, orphan), 'x');
  await writeFile(join(partsOf(dataDir).incoming, randomUUID()), 'x');
  const found = await runVerify(dataDir);
  assert.equal(found.code, 1);
  assert.match(found.output, /^orphan: .*\nleft_over: .*\n.* 2 wrong, 0 mended\. Try --repair/);
  const { code, output } = await runVerify(dataDir, '--repair');
  assert.equal(code, 0);
  assert.match(output, /^mended orphan: .*\nmended left_over: .*\n.* 0 wrong, 2 mended\.$/m);
  await assertNothingLeftOver(dataDir);
  await assertClean(dataDir);
});

test('a catalog that disagrees with itself is found, and made anew by repair', async (t) => {
  const { dataDir } = await setUp(t);
  const db = new DatabaseSync(partsOf(dataDir).catalog);
  db.exec(`update themes set image_count = 7 where name = 'fantasy';
    delete from search_live where rowid = (select max(rowid) from search_live)`);
  db.close();
  const found = await runVerify(dataDir);
  assert.equal(found.code, 1);
  assert.match(found.output, /^catalog: .*search_live/m);
  assert.match(found.output, /^catalog: .*theme fantasy says 7 images and has 2/m);
  const { code, output } = await runVerify(dataDir, '--repair');
  assert.equal(code, 0, output);
  assert.match(output, /0 wrong, 2 mended/);
  await assertClean(dataDir);
});

test('beside a service that takes images, the folder is clean at every moment', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { store, accept, create } = await opening(t, dataDir);
  let going = true;
  const working = async () => {
    while (going) {
      const { id } = await create();
      const call = writeCall();
      await accept(await png(), call);
      await store.discardContent(call);
      await store.deleteImage({ image_id: id }, writeCall());
    }
  };
  const workers = Promise.all([working(), working(), working()]);
  try {
    for (const options of [[], ['--repair'], []]) {
      const { code, output } = await runVerify(dataDir, ...options);
      assert.equal(code, 0, output);
      assert.match(output, /: 0 wrong, 0 mended/);
    }
  } finally {
    going = false;
  }
  await workers;
  await assertNothingLeftOver(dataDir);
});

test('beside a service, an orphan is handed to it, and damage is only told', async (t) => {
  const { dataDir, image, path } = await setUp(t);
  const { sweeper } = await opening(t, dataDir);
  const orphan = image.content.sha256.slice(0, 2) + '0'.repeat(62);
  await writeFile(blobPath(dataDir, orphan), 'x');
  await assertClean(dataDir); // It is young: its row may be on its way.
  const old = new Date(Date.now() - 2 * HOUR_MS);
  await utimes(blobPath(dataDir, orphan), old, old);
  const handed = await runVerify(dataDir, '--repair');
  assert.equal(handed.code, 0, handed.output);
  assert.match(handed.output, /^mended orphan: .* The running service removes it/);
  assert.ok((await contentsOf(dataDir)).blobs.includes(orphan));
  assert.equal(await sweeper.sweep(), 1);
  await assertNothingLeftOver(dataDir);

  const damaged = Buffer.alloc(image.content.size_bytes);
  await writeFile(path, damaged);
  const told = await runVerify(dataDir, '--repair');
  assert.equal(told.code, 1);
  assert.match(told.output, /^damaged: .* To set them aside, stop the service first/);
  assert.deepEqual(await readFile(path), damaged);
});
