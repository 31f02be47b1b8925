import assert from 'node:assert/strict';
import { cp, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blobPath } from '../services/damage.ts';
import { eventually } from '../services/data-folder.ts';
import { valueAt } from '../services/metrics.ts';
import { startService } from '../services/service.ts';
import { opening, temporaryFolder } from './opening.ts';

/** A data folder with three images that was started before. */
async function dataFolder(t: TestContext) {
  const dataDir = join(await temporaryFolder(t), 'data');
  const { create, close } = await opening(t, dataDir);
  const images = [await create(), await create(), await create()];
  await close();
  const second = await opening(t, dataDir);
  await second.close();
  return { dataDir, images };
}

/** What a start says of its folder. */
const said = (log: Record<string, unknown>[]) =>
  log.filter(({ message }) => /data folder|blob/.test(String(message)));

test('a copy that lacks files starts, and names what is missing and what to do', async (t) => {
  const { dataDir, images } = await dataFolder(t);
  const copy = join(await temporaryFolder(t), 'copy');
  await cp(dataDir, copy, { recursive: true });
  await rm(blobPath(copy, images[0]!.content.sha256));
  await truncate(blobPath(copy, images[1]!.content.sha256), 3);
  await using service = await startService({ DATA_DIR: copy });
  await eventually(() => assert.equal(said(service.log).length, 4));
  const [warning] = said(service.log);
  assert.equal(warning!.level, 'WARNING');
  assert.match(
    String(warning!.message),
    /moved or copied since its last start.*Only "npm run backup"/,
  );
  const named = said(service.log).flatMap(({ images: ids }) => ids ?? []);
  assert.deepEqual(named.sort(), [images[0]!.id, images[1]!.id].sort());
  const summary = said(service.log).find(({ missing }) => missing === 2);
  assert.match(String(summary?.message), /Restore it from a backup, or send the files/);
  assert.equal(await valueAt(service.url, 'dnd_damaged_blobs{damage="missing"}'), 1);
  assert.equal(await valueAt(service.url, 'dnd_damaged_blobs{damage="size"}'), 1);
});

test('a whole copy is looked up once; a folder that was renamed is not', async (t) => {
  const { dataDir } = await dataFolder(t);
  const copy = join(await temporaryFolder(t), 'copy');
  await cp(dataDir, copy, { recursive: true });
  const first = await startService({ DATA_DIR: copy });
  const whole = /^The data folder has every stored file$/;
  await eventually(() => assert.match(String(said(first.log).at(-1)?.message), whole));
  await first.close();

  const renamed = `${copy}-renamed`;
  await rename(copy, renamed);
  await using again = await startService({ DATA_DIR: renamed });
  await fetch(`${again.url}/health`);
  assert.deepEqual(said(again.log), []);
});
