import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileBlobStore } from '../../../src/storage-service/blobs/file-blob-store.ts';
import { blobStoreSuite } from '../../suites/blob-store-suite.ts';

blobStoreSuite('FileBlobStore', async (staging) => {
  const folder = join(staging, 'blobs');
  await mkdir(folder);
  return new FileBlobStore(folder);
});

test('files that are no blobs are not listed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'blobs-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'ab'));
  await writeFile(join(folder, 'ab', 'notes.txt'), 'hello');
  await writeFile(join(folder, 'README'), 'hello');
  const listed = await Array.fromAsync(new FileBlobStore(folder).list());
  assert.deepEqual(listed, []);
});
