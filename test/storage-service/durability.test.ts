import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { takeBackup } from '../../src/storage-service/backup/backup.ts';
import { restoreBackup } from '../../src/storage-service/backup/restore.ts';
import { FileBlobStore } from '../../src/storage-service/blobs/file-blob-store.ts';
import { openDataFolder } from '../../src/storage-service/data-folder.ts';
import { recordFiles } from '../services/recorded-files.ts';
import { opening, temporaryFolder } from './opening.ts';

/** The order of syncs decides what a power cut leaves; nothing else shows it. */

async function setUp(t: TestContext) {
  const folder = await temporaryFolder(t);
  const blobs = join(folder, 'blobs');
  await mkdir(blobs);
  const bytes = randomBytes(1_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const staged = join(folder, 'staged');
  await writeFile(staged, bytes);
  const shard = `blobs/${sha256.slice(0, 2)}`;
  const put = (store: FileBlobStore) => store.put(sha256, staged, bytes.length);
  return { folder, blobs, bytes, staged, shard, name: `${shard}/${sha256}`, put };
}

test('the file is synced before it gets its name, then its folder, and a new folder in its own', async (t) => {
  const { folder, blobs, shard, name, put } = await setUp(t);
  using recorded = await recordFiles(folder);
  const store = new FileBlobStore(blobs);
  await put(store);
  assert.deepEqual(recorded.steps, [
    'sync staged',
    `mkdir ${shard}`,
    'sync blobs',
    `link ${name}`,
    `sync ${shard}`,
  ]);
  recorded.steps.length = 0;
  await put(store);
  const again = ['sync staged', `unlink ${name}`, `link ${name}`, `sync ${shard}`];
  assert.deepEqual(recorded.steps, again);
  recorded.steps.length = 0;
  // The process before may have died between making the folder and syncing its parent.
  await put(new FileBlobStore(blobs));
  assert.deepEqual(recorded.steps, ['sync staged', 'sync blobs', ...again.slice(1)]);
});

test('a name whose sync failed is taken away; bytes that were there before a failure stay', async (t) => {
  const { folder, blobs, bytes, shard, name, put } = await setUp(t);
  let failing = `sync ${shard}`;
  using recorded = await recordFiles(folder, (step) => (step === failing ? 'EIO' : undefined));
  const store = new FileBlobStore(blobs);
  await assert.rejects(put(store), { code: 'storage_unavailable' });
  assert.deepEqual(recorded.steps.slice(-2), [`sync ${shard} fails`, `unlink ${name}`]);

  failing = 'sync blobs';
  const next = new FileBlobStore(blobs);
  await assert.rejects(put(next), { code: 'storage_unavailable' });
  failing = '';
  recorded.steps.length = 0;
  await put(next);
  assert.ok(recorded.steps.includes('sync blobs'), 'a sync that failed is made good');

  failing = 'sync staged';
  await assert.rejects(put(next), { code: 'storage_unavailable' });
  assert.deepEqual(await readFile(join(folder, name)), bytes, 'another image has them');
});

test('a new data folder is synced, and so is the folder that it is in', async (t) => {
  const parent = await temporaryFolder(t);
  using recorded = await recordFiles(parent);
  const folder = await openDataFolder(join(parent, 'data'));
  folder.release();
  const made = recorded.steps.findLastIndex((step) => step.startsWith('mkdir'));
  assert.deepEqual(recorded.steps.slice(made + 1, made + 3), ['sync data', 'sync .']);
});

test('a backup and a restore sync each file before its name, and each folder after', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { create } = await opening(t, dataDir);
  await create();
  await create();
  const parent = await temporaryFolder(t);
  const path = join(parent, 'backup');
  using recorded = await recordFiles(parent);
  await takeBackup({ dataDir, path, check: false, progress() {} });
  assertSynced(recorded.steps);
  recorded.steps.length = 0;
  await restoreBackup({ dataDir: join(parent, 'data'), path, progress() {} });
  assertSynced(recorded.steps);
});

function assertSynced(steps: readonly string[]): void {
  const renames = steps.filter((step) => step.startsWith('rename'));
  assert.equal(renames.length, 3, 'two blobs and the catalog');
  for (const rename of renames) {
    const [, from, , to] = rename.split(' ') as [string, string, string, string];
    const at = steps.indexOf(rename);
    assert.ok(steps.slice(0, at).includes(`sync ${from}`), `${from} before its name`);
    const folder = to.slice(0, to.lastIndexOf('/'));
    assert.ok(steps.slice(at).includes(`sync ${folder}`), `${folder} after ${to}`);
  }
  // The catalog names the blobs: it comes when they are durable.
  const last = steps.findLastIndex((step) => step.startsWith('rename'));
  assert.match(steps[last]!, /catalog\.sqlite$/);
  const shards = steps.filter((step) => /^sync .*blobs(\/..)?$/.test(step));
  assert.ok(shards.every((step) => steps.lastIndexOf(step) < last));
}
