import assert from 'node:assert/strict';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { opening, temporaryFolder } from './opening.ts';

const OTHER_PROGRAM = 'create table x (a)';

test('a folder that lost its catalog or its files does not start as an empty service', async (t) => {
  const folder = await temporaryFolder(t);
  const catalog = join(folder, 'catalog.sqlite');
  const service = await opening(t, folder);
  const { content } = await service.create();
  await service.close();
  const before = (await readdir(folder)).sort();

  await rename(catalog, `${catalog}.kept`);
  await assert.rejects(opening(t, folder), /holds stored files, but catalog\.sqlite is missing/);
  await writeFile(catalog, '');
  await assert.rejects(opening(t, folder), /holds stored files, but catalog\.sqlite is empty/);
  await rm(catalog);
  using foreign = new DatabaseSync(catalog);
  foreign.exec(OTHER_PROGRAM);
  await assert.rejects(opening(t, folder), /database of another program/);
  await rename(`${catalog}.kept`, catalog);

  await rename(join(folder, 'blobs'), join(folder, 'elsewhere'));
  await assert.rejects(opening(t, folder), /the folder "blobs" holds none\. Is its disk mounted/);
  await rm(join(folder, 'blobs'), { recursive: true });
  await rename(join(folder, 'elsewhere'), join(folder, 'blobs'));

  assert.ok((await (await opening(t, folder)).bytesOf(content.sha256)).length > 0);
  assert.deepEqual((await readdir(folder)).filter((name) => before.includes(name)).sort(), before);
});
