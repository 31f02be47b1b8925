import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, truncate, unlink, writeFile } from 'node:fs/promises';
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

test('a file that is cut while it is read ends the reading with an error', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'blobs-'));
  t.after(() => rm(folder, { recursive: true }));
  const found: string[] = [];
  const observer = { damaged: (_: string, damage: string) => void found.push(damage), sound() {} };
  const store = new FileBlobStore(folder, observer);
  const bytes = randomBytes(2_000_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const staged = join(folder, 'staged');
  await writeFile(staged, bytes);
  await store.put(sha256, staged, bytes.length);
  const path = join(folder, sha256.slice(0, 2), sha256);
  let read = 0;
  const reading = async (
    range: { first: number; last: number } | null,
    change: () => Promise<void>,
  ) => {
    read = 0;
    for await (const chunk of (await store.read({ sha256, size_bytes: bytes.length }, range))!) {
      if (read === 0) await change();
      read += chunk.length;
    }
  };
  // Who has it open still has all of it.
  await reading(null, () => unlink(path));
  assert.equal(read, bytes.length);
  for (const range of [null, { first: 10, last: bytes.length - 1 }]) {
    await store.put(sha256, staged, bytes.length);
    await assert.rejects(
      reading(range, () => truncate(path, 1_000)),
      { code: 'content_damaged' },
    );
    assert.ok(read < bytes.length);
    await writeFile(staged, bytes);
  }
  assert.deepEqual(found, ['size', 'size']);
});
