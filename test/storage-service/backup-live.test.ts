import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { takeBackup } from '../../src/storage-service/backup/backup.ts';
import { restoreBackup } from '../../src/storage-service/backup/restore.ts';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { cannotMount, fill, tmpfs } from '../faults/mounted.ts';
import { form, png, REQUIRED } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { ServiceProcess } from '../services/service-process.ts';
import { ROOT, restored, run, runWell } from './backup-commands.ts';
import { opening, temporaryFolder, writeCall } from './opening.ts';

/** One after the other takes too long; over the runs, all phases of a backup are met. */
const OPERATIONS_STEP = 5;

type Sent = { image: Image; bytes: Buffer };

async function upload(url: string, sent: Sent[]): Promise<void> {
  const bytes = await png(64, 64);
  const body = form(['image', bytes], ...REQUIRED);
  const response = await fetch(`${url}/api/v2/images`, { method: 'POST', body });
  assert.equal(response.status, 201);
  sent.push({ image: (await response.json()) as Image, bytes });
}

/** Uploads, and replaces or deletes some of what it sent, until told to stop. */
function working(url: string, sent: Sent[]) {
  let going = true;
  const worker = async () => {
    while (going) {
      await upload(url, sent);
      const own: Sent[] = [];
      await upload(url, own);
      await fetch(`${url}/api/v2/images/${own[0]!.image.id}`, { method: 'DELETE' });
    }
  };
  const workers = Promise.all([worker(), worker(), worker()]);
  return () => {
    going = false;
    return workers;
  };
}

test('a backup beside a service that takes images has all that were answered before', async (t) => {
  const dataDir = await temporaryFolder(t);
  const backup = join(await temporaryFolder(t), 'backup');
  const service = new ServiceProcess(dataDir, { SWEEP_SECONDS: '1', RETENTION_DAYS: '0' });
  t.after(() => service.kill());
  const url = await service.ready;
  const sent: Sent[] = [];
  const stop = working(url, sent);
  try {
    for (const round of ['a first', 'a second']) {
      const enough = sent.length + 10;
      while (sent.length < enough) await upload(url, sent);
      const before = [...sent];
      await runWell('backup', dataDir, backup);
      assert.ok(sent.length > before.length, 'uploads went on meanwhile');
      const again = await opening(t, await restored(t, backup));
      for (const { image, bytes } of before) {
        assert.deepEqual(await again.store.getImage(image.id, writeCall()), image, round);
        assert.deepEqual(await again.bytesOf(image.content.sha256), bytes);
      }
      await again.close();
    }
  } finally {
    await stop();
  }
});

/** The exit code of a command that dies at this of its file operations; null when it did. */
async function dyingAt(
  operation: number,
  command: 'backup' | 'restore',
  dataDir: string,
  backup: string,
) {
  const child = spawn(
    process.execPath,
    ['--import', './test/storage-service/backup-killed.ts', `bin/${command}.ts`, backup],
    { cwd: ROOT, env: { DATA_DIR: dataDir, FATAL_OPERATION: `${operation}` }, stdio: 'ignore' },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

test('a backup that is killed anywhere leaves the one before, and the next completes', async (t) => {
  const dataDir = await temporaryFolder(t);
  const service = await opening(t, dataDir);
  const folder = await temporaryFolder(t);
  const first = join(folder, 'first');
  const take = (path: string) => takeBackup({ dataDir, path, check: false, progress: () => {} });
  await service.create();
  await take(first);
  for (let count = 0; count < 2; count += 1) await service.create();

  let code: number | null = null;
  let operation = 1;
  for (; code === null; operation += OPERATIONS_STEP) {
    const backup = join(folder, `${operation}`);
    await cp(first, backup, { recursive: true });
    code = await dyingAt(operation, 'backup', dataDir, backup);
    const target = join(folder, `${operation}-restored`);
    const restoring = { path: backup, dataDir: target, progress: () => {} };
    const { images, findings } = await restoreBackup(restoring);
    assert.deepEqual(findings, []);
    assert.ok(images === 1 || images === 3, `${images} images, killed at ${operation}`);
    assert.equal((await take(backup)).images, 3);
    await assertNothingLeftOver(backup);
  }
  assert.equal(code, 0);
  assert.ok(operation > 5 * OPERATIONS_STEP, `it made ${operation} file operations only`);
  t.diagnostic(`killed at every ${OPERATIONS_STEP}th of ${operation} file operations`);
});

test('a restore that is killed anywhere is none or whole, and may be run again', async (t) => {
  const folder = await temporaryFolder(t);
  const backup = join(folder, 'backup');
  const service = await opening(t, join(folder, 'data'));
  for (let count = 0; count < 3; count += 1) await service.create();
  await takeBackup({
    dataDir: join(folder, 'data'),
    path: backup,
    check: false,
    progress: () => {},
  });
  let code: number | null = null;
  let operation = 1;
  for (; code === null; operation += OPERATIONS_STEP) {
    const dataDir = join(folder, `${operation}`);
    code = await dyingAt(operation, 'restore', dataDir, backup);
    const again = { path: backup, dataDir, progress: () => {} };
    await restoreBackup(again).catch((error) => assert.match(error.message, /a catalog already/));
    assert.equal((await contentsOf(dataDir)).images.length, 3);
    await assertNothingLeftOver(dataDir);
  }
  assert.equal(code, 0);
  assert.ok(operation > 5 * OPERATIONS_STEP, `it made ${operation} file operations only`);
});

test('a first backup that is killed is none, and the next one goes on with it', async (t) => {
  const dataDir = await temporaryFolder(t);
  const backup = join(await temporaryFolder(t), 'backup');
  const service = await opening(t, dataDir);
  for (let count = 0; count < 5; count += 1) await service.create();
  let done = 0;
  const progress = () => assert.ok(++done < 3, 'died');
  await assert.rejects(takeBackup({ dataDir, path: backup, check: false, progress }), /died/);
  const target = join(await temporaryFolder(t), 'new');
  assert.match((await run('restore', target, backup)).output, /holds no whole backup yet/);
  const said = await runWell('backup', dataDir, backup);
  assert.match(said, /5 images, 5 blobs .*: [1-4] copied/);
  await restored(t, backup);
});

test('a disk that fills up leaves the backup before, says so, and with room goes on', {
  skip: cannotMount(),
}, async (t) => {
  const dataDir = await temporaryFolder(t);
  const disk = tmpfs(t, 'size=6m');
  const backup = join(disk, 'backup');
  const service = await opening(t, dataDir);
  await service.create();
  await runWell('backup', dataDir, backup);
  const before = await stat(partsOf(backup).catalog);
  for (let count = 0; count < 4; count += 1) await service.create(await png(340, 340));
  for (const kilobytes of [0, 100, 1_000]) {
    const filler = await fill(disk, kilobytes * 1024);
    const { code, output } = await run('backup', dataDir, backup);
    assert.deepEqual(
      [code, /^.*backup: the disk is full\. Make room/.test(output)],
      [1, true],
      output,
    );
    assert.equal(output.trim().split('\n').length, 1);
    assert.equal((await stat(partsOf(backup).catalog)).ino, before.ino);
    assert.deepEqual(await readdir(partsOf(backup).incoming), []);
    await filler.empty();
  }
  assert.equal((await contentsOf(backup)).images.length, 1);
  await runWell('backup', dataDir, backup);
  assert.equal((await contentsOf(await restored(t, backup))).images.length, 5);

  const small = join(tmpfs(t, 'size=1m'), 'new');
  const { code, output } = await run('restore', small, backup);
  assert.deepEqual([code, /^DATA_DIR=.*: the disk is full/.test(output)], [2, true], output);
  await assert.rejects(stat(partsOf(small).catalog), { code: 'ENOENT' });
});
