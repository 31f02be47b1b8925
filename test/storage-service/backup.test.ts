import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { type BackupOptions, takeBackup } from '../../src/storage-service/backup/backup.ts';
import { partsOf, tryLock } from '../../src/storage-service/data-folder.ts';
import { png } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { runVerify } from '../services/service-process.ts';
import { restored, run, runWell } from './backup-commands.ts';
import { opening, temporaryFolder, writeCall } from './opening.ts';

/** A service over a data folder with three images, and a folder for its backup. */
async function setUp(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  const service = await opening(t, dataDir);
  const files = [await png(), await png(), await png()];
  const images = [];
  for (const bytes of files) images.push(await service.create(bytes));
  const backup = join(await temporaryFolder(t), 'backup');
  const take = (options: Partial<BackupOptions> = {}) =>
    takeBackup({ dataDir, path: backup, check: false, progress: () => {}, ...options });
  return { dataDir, backup, take, files, images, ...service };
}

function blobPath(folder: string, sha256: string): string {
  return join(partsOf(folder).blobs, sha256.slice(0, 2), sha256);
}

test('a backup restores to the images that there were, whatever became of them', async (t) => {
  const { dataDir, backup, files, images, store, create } = await setUp(t);
  const said = await runWell('backup', dataDir, backup);
  assert.match(said, /^Backup of 3 images, 3 blobs \(.* MB\) in .*: 3 copied .*, 0 removed\.\n$/);
  await store.deleteImage({ image_id: images[0]!.id }, writeCall());
  await create();

  const again = await opening(t, await restored(t, backup));
  for (const [index, image] of images.entries()) {
    assert.deepEqual(await again.store.getImage(image.id, writeCall()), image);
    assert.deepEqual(await again.bytesOf(image.content.sha256), files[index]);
  }
  await again.create();
});

test('a folder that no service runs on is backed up too', async (t) => {
  const { dataDir, backup, close } = await setUp(t);
  await close();
  await runWell('backup', dataDir, backup);
  assert.equal((await contentsOf(await restored(t, backup))).images.length, 3);
});

test('a second backup copies what is new, and drops what is gone', async (t) => {
  const { dataDir, backup, images, store, accept, create } = await setUp(t);
  await runWell('backup', dataDir, backup);
  const kept = blobPath(backup, images[1]!.content.sha256);
  const before = await stat(kept);
  const call = writeCall();
  const claim = await accept(await png(), call);
  await store.replaceContent({ image_id: images[0]!.id }, claim, call);
  await create();
  const said = await runWell('backup', dataDir, backup);
  assert.match(said, /^Backup of 4 images, 4 blobs .*: 2 copied .*, 1 removed\.\n$/);
  assert.equal((await stat(kept)).ino, before.ino, 'another file');
  await assertNothingLeftOver(backup);
  await restored(t, backup);
});

test('what uploads left in a snapshot is not restored', async (t) => {
  const { dataDir, backup, store, images, accept } = await setUp(t);
  const waiting = writeCall();
  await accept(await png(), waiting);
  const call = writeCall();
  const claim = await accept(await png(), call);
  await store.replaceContent({ image_id: images[0]!.id }, claim, call);
  await runWell('backup', dataDir, backup);
  const folder = await restored(t, backup);
  await assertNothingLeftOver(folder);
  assert.deepEqual((await contentsOf(folder)).leases, []);
  const again = await opening(t, folder);
  assert.equal(await again.sweeper.sweep(), 0);
  await again.accept(await png(), waiting);
});

test('bytes that are missing leave the backup before as it was, and are named', async (t) => {
  const { dataDir, backup, images, create, take } = await setUp(t);
  await take();
  const lost = await create();
  const cut = await create();
  await rm(blobPath(dataDir, lost.content.sha256));
  await writeFile(blobPath(dataDir, cut.content.sha256), 'x');
  const [folder, fifo] = [await create(), await create()].map(({ content }) => content.sha256);
  for (const sha256 of [folder!, fifo!]) await rm(blobPath(dataDir, sha256));
  await mkdir(blobPath(dataDir, folder!));
  execFileSync('mkfifo', [blobPath(dataDir, fifo!)]);
  const { code, output } = await run('backup', dataDir, backup);
  assert.equal(code, 1);
  assert.match(output, /^DATA_DIR=.*: files could not be copied, so there is no new backup/);
  assert.match(output, new RegExp(`${lost.content.sha256} are missing`));
  assert.match(output, new RegExp(`${cut.content.sha256} are 1 instead of`));
  for (const sha256 of [folder, fifo]) assert.match(output, new RegExp(`${sha256} cannot be read`));
  assert.deepEqual(await readdir(partsOf(backup).incoming), []);
  const { images: ids } = await contentsOf(await restored(t, backup));
  assert.deepEqual(ids.sort(), images.map(({ id }) => id).sort());
});

test('bytes that only the backup still has stay in it', async (t) => {
  const { dataDir, backup, images, files, take } = await setUp(t);
  await take();
  const { sha256 } = images[0]!.content;
  await rm(blobPath(dataDir, sha256));
  assert.equal((await take()).copied, 0);
  assert.deepEqual(await readFile(blobPath(await restored(t, backup), sha256)), files[0]);
});

test('with --check damage in the backup is found and made good', async (t) => {
  const { dataDir, backup, images, files } = await setUp(t);
  await runWell('backup', dataDir, backup);
  const path = blobPath(backup, images[0]!.content.sha256);
  await writeFile(path, Buffer.alloc(files[0]!.length));
  assert.match(await runWell('backup', dataDir, backup), / 0 copied/);
  assert.match(await runWell('backup', dataDir, backup, '--check'), / 1 copied/);
  assert.deepEqual(await readFile(path), files[0]);

  await writeFile(blobPath(dataDir, images[1]!.content.sha256), Buffer.alloc(files[1]!.length));
  assert.match(await runWell('backup', dataDir, backup, '--check'), / 0 copied/);
  await rm(blobPath(backup, images[1]!.content.sha256));
  const { code, output } = await run('backup', dataDir, backup);
  assert.equal(code, 1);
  assert.match(output, /are damaged/);
});

test('a backup is a data folder that verify can check, and is a backup after that', async (t) => {
  const { dataDir, backup, create } = await setUp(t);
  await runWell('backup', dataDir, backup);
  const { code, output } = await runVerify(backup);
  assert.equal(code, 0, output);
  // One that died left its log behind, with a change in it.
  leaveLog(backup);
  await create();
  await runWell('backup', dataDir, backup);
  assert.equal((await contentsOf(await restored(t, backup))).images.length, 4);
});

/** What a process that died leaves beside a catalog. */
function leaveLog(folder: string): void {
  const { catalog } = partsOf(folder);
  const script = `
    const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(catalog)});
    db.exec("pragma journal_mode = wal; delete from images; insert into settings values ('x', 1)");
    process.kill(process.pid, 'SIGKILL');`;
  spawnSync(process.execPath, ['-e', script]);
}

test('a folder that is no backup, or is in use, is left alone', async (t) => {
  const { dataDir, backup, take } = await setUp(t);
  const other = await temporaryFolder(t);
  await writeFile(join(other, 'letter.txt'), 'x');
  const service = await temporaryFolder(t);
  await (await opening(t, service)).close();
  for (const path of [other, service]) {
    const before = await readdir(path);
    await assert.rejects(take({ path }), /holds other things than a backup/);
    assert.deepEqual(await readdir(path), before);
  }
  for (const path of [dataDir, join(dataDir, 'backup'), join(dataDir, 'incoming', 'a', 'b')]) {
    const before = await readdir(dataDir, { recursive: true });
    await assert.rejects(take({ path }), /is the data folder or within it/);
    assert.deepEqual(await readdir(dataDir, { recursive: true }), before);
  }
  const file = join(other, 'letter.txt');
  for (const path of [file, join(file, 'x'), '/proc/x']) {
    await assert.rejects(take({ path }), /: cannot be used \((ENOTDIR|ENOENT)\)\. Name a folder/);
  }
  await assert.rejects(take({ dataDir: other }), /holds no catalog/);
  await take();
  const release = tryLock(partsOf(backup).lock)!;
  await assert.rejects(take(), /in use by another process/).finally(release);
  for (const values of [[], [backup, other], ['--nonsense']]) {
    assert.equal((await run('backup', dataDir, ...values)).code, 1);
    assert.equal((await run('restore', dataDir, ...values)).code, 2);
  }
  assert.match(await runWell('backup', dataDir, '--help'), /npm run backup -- FOLDER/);
  assert.match(await runWell('restore', dataDir, '--help'), /npm run restore -- FOLDER/);
});

test('a catalog of a newer release is neither backed up nor restored', async (t) => {
  const { dataDir, backup, take, close } = await setUp(t);
  await take();
  await close();
  for (const folder of [dataDir, backup]) {
    using db = new DatabaseSync(partsOf(folder).catalog);
    db.exec('pragma user_version = 999');
  }
  await assert.rejects(take(), /schema version 999/);
  const target = join(await temporaryFolder(t), 'new');
  const { code, output } = await run('restore', target, backup);
  assert.equal(code, 2);
  assert.match(output, /^The catalog has schema version 999; .*Run the newer release/);
  await assert.rejects(stat(partsOf(target).catalog), { code: 'ENOENT' });
});

test('a catalog that is damaged is neither backed up nor restored', async (t) => {
  const { dataDir, backup, take, close } = await setUp(t);
  await take();
  await close();
  const target = join(await temporaryFolder(t), 'new');
  for (const damaged of [Buffer.alloc(10_000, 'x'), '']) {
    for (const folder of [dataDir, backup]) await writeFile(partsOf(folder).catalog, damaged);
    await assert.rejects(take(), /catalog\.sqlite: cannot be read as a catalog/);
    const { code, output } = await run('restore', target, backup);
    assert.equal(code, 2);
    assert.match(output, /backup\/catalog\.sqlite: cannot be read as a catalog/);
    await assert.rejects(stat(partsOf(target).catalog), { code: 'ENOENT' });
  }
});

test('a restore replaces nothing, and takes only a whole backup', async (t) => {
  const { dataDir, backup, take, close } = await setUp(t);
  await assert.rejects(take({ progress: () => assert.fail('died') }), /died/);
  const target = join(await temporaryFolder(t), 'new');
  const half = await run('restore', target, backup);
  assert.deepEqual([half.code, /holds no whole backup/.test(half.output)], [2, true]);
  const none = await run('restore', target, dataDir);
  assert.deepEqual([none.code, /is no backup/.test(none.output)], [2, true]);
  await assert.rejects(stat(target), { code: 'ENOENT' });

  await take();
  for (const folder of [dataDir, backup]) {
    const { code, output } = await run('restore', folder, backup);
    assert.equal(code, 2);
    assert.match(output, /holds a catalog already, and a restore replaces nothing/);
  }
  await close();
  const emptied = await opening(t, target);
  await rm(partsOf(target).catalog);
  assert.match((await run('restore', target, backup)).output, /in use by another process/);
  await emptied.close();
});

test('a restore heals a folder that lost its catalog, whatever else is in it', async (t) => {
  const { dataDir, backup, files, images, create, close } = await setUp(t);
  await runWell('backup', dataDir, backup);
  await create();
  await close();
  leaveLog(dataDir);
  await rm(partsOf(dataDir).catalog);
  await writeFile(blobPath(dataDir, images[0]!.content.sha256), Buffer.alloc(files[0]!.length));
  await mkdir(partsOf(dataDir).incoming, { recursive: true });
  await writeFile(join(partsOf(dataDir).incoming, randomUUID()), 'x');
  await runWell('restore', dataDir, backup);
  const again = await opening(t, dataDir);
  await again.sweeper.releaseUploads();
  assert.equal((await contentsOf(dataDir)).images.length, 3);
  assert.deepEqual(await again.bytesOf(images[0]!.content.sha256), files[0]);
});

test('damage in a backup is told, and keeps nothing else from being restored', async (t) => {
  const { dataDir, backup, files, images } = await setUp(t);
  await runWell('backup', dataDir, backup);
  const [damaged, lost, whole] = images;
  await writeFile(blobPath(backup, damaged!.content.sha256), Buffer.alloc(files[0]!.length));
  await rm(blobPath(backup, lost!.content.sha256));
  const target = join(await temporaryFolder(t), 'new');
  const { code, output } = await run('restore', target, backup);
  assert.equal(code, 1);
  assert.match(
    output,
    new RegExp(`${damaged!.content.sha256} are damaged. Images: ${damaged!.id}`),
  );
  assert.match(output, new RegExp(`${lost!.content.sha256} are missing. Images: ${lost!.id}`));
  assert.match(output, /^Restored 3 images, .*: 2 wrong\.$/m);
  const again = await opening(t, target);
  assert.deepEqual(await again.bytesOf(whole!.content.sha256), files[2]);
  await again.create(files[0]);
  assert.deepEqual(await again.bytesOf(damaged!.content.sha256), files[0]);
});

test('the backup of another data folder, or of the same one before it was lost, is not replaced', async (t) => {
  const { take, backup, images } = await setUp(t);
  await take();
  const empty = await temporaryFolder(t);
  await (await opening(t, empty)).close();
  await assert.rejects(take({ dataDir: empty }), /holds the backup of another data folder/);
  const again = await opening(t, await restored(t, backup));
  assert.deepEqual(await again.store.getImage(images[0]!.id, writeCall()), images[0]);
});
