import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { HOLD_MS } from '../../src/storage-service/backup/snapshot.ts';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { png } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { ROOT } from './backup-commands.ts';
import { opening, temporaryFolder, writeCall } from './opening.ts';

/** A service over a data folder with two images, and a folder for its backup. */
async function setUp(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  const service = await opening(t, dataDir);
  const images = [await service.create(), await service.create()];
  return { dataDir, backup: join(await temporaryFolder(t), 'backup'), images, ...service };
}

/** A backup that has its snapshot, and not copied anything of it. */
async function heldBackup(t: TestContext, dataDir: string, backup: string) {
  const child = spawn(
    process.execPath,
    ['--import', './test/storage-service/backup-held.ts', 'bin/backup.ts', backup],
    { cwd: ROOT, env: { DATA_DIR: dataDir }, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const [said] = await once(child.stdout.setEncoding('utf8'), 'data');
  assert.equal(said, 'held\n');
  return {
    async end() {
      child.stdin.end();
      assert.deepEqual(await exit, [0, null]);
    },
    async die() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

test('bytes that lose their image stay while a backup runs, and go after its end or death', async (t) => {
  const { dataDir, backup, images, sweeper, accept, store, bytesOf } = await setUp(t);
  const replace = async (image: Image) => {
    const call = writeCall();
    const claim = await accept(await png(), call);
    await store.replaceContent({ image_id: image.id }, claim, call);
    endLeases(dataDir);
    assert.equal(await sweeper.sweep(), 0);
    assert.ok(await bytesOf(image.content.sha256));
  };
  const ending = await heldBackup(t, dataDir, backup);
  await replace(images[0]!);
  await ending.end();
  assert.equal(await sweeper.sweep(), 1);
  await assertNothingLeftOver(dataDir);
  assert.ok((await contentsOf(backup)).blobs.includes(images[0]!.content.sha256));

  const dying = await heldBackup(t, dataDir, backup);
  await replace(images[1]!);
  await dying.die();
  assert.equal(await sweeper.sweep(), 0);
  assert.equal(await sweeper.sweep(Date.now() + HOLD_MS + 1_000), 1);
  await assertNothingLeftOver(dataDir);
});

test('of two backups at once, the end of the first does not end what the second holds', async (t) => {
  const { dataDir, backup, images, sweeper, accept, store } = await setUp(t);
  const first = await heldBackup(t, dataDir, backup);
  const second = await heldBackup(t, dataDir, `${backup}-2`);
  const call = writeCall();
  const claim = await accept(await png(), call);
  await store.replaceContent({ image_id: images[0]!.id }, claim, call);
  endLeases(dataDir);
  await first.end();
  assert.equal(await sweeper.sweep(), 0);
  await second.end();
  assert.equal(await sweeper.sweep(), 1);
});

test('bytes that no image has are removed beside a backup as always', async (t) => {
  const { dataDir, backup, accept, store } = await setUp(t);
  const running = await heldBackup(t, dataDir, backup);
  const call = writeCall();
  const { sha256 } = await accept(await png(), call);
  await store.discardContent(call);
  assert.ok(!(await contentsOf(dataDir)).blobs.includes(sha256));
  await running.end();
});

/** As after a day: those of bytes that lost their image. */
function endLeases(dataDir: string): void {
  using db = new DatabaseSync(partsOf(dataDir).catalog, { timeout: 5_000 });
  db.exec('update leases set expires_at = 1 where claimed');
}
