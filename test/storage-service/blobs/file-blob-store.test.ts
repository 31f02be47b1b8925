import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
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

const FOREIGN: Record<string, (path: string) => unknown> = {
  'an empty folder': (path) => mkdir(path),
  'a folder that holds something': async (path) => {
    await mkdir(path);
    await writeFile(join(path, 'notes.txt'), 'hello');
  },
  'a symbolic link that leads to itself': (path) => symlink(path, path),
  'a symbolic link to nothing': (path) => symlink(`${path}-absent`, path),
  'a symbolic link to a device without an end': (path) => symlink('/dev/zero', path),
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
};

for (const [kind, make] of Object.entries(FOREIGN)) {
  test(`${kind} in the place of a blob is no blob, and the same bytes heal it`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'blobs-'));
    t.after(() => rm(folder, { recursive: true }));
    const found: string[] = [];
    const observer = { damaged: (_: string, what: string) => void found.push(what), sound() {} };
    const store = new FileBlobStore(folder, observer);
    const bytes = randomBytes(1_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const staged = join(folder, 'staged');
    await writeFile(staged, bytes);
    const blob = { sha256, size_bytes: bytes.length };
    const path = join(folder, sha256.slice(0, 2), sha256);
    // The second time, what was set aside the first time has its name there.
    for (let time = 0; time < 2; time += 1) {
      await mkdir(join(folder, sha256.slice(0, 2)), { recursive: true });
      await rm(path, { force: true });
      await make(path);
      const unread = await store.read(blob, null).catch(({ code }) => code);
      assert.equal(unread, kind.endsWith('nothing') ? undefined : 'content_damaged');
      assert.equal(await store.size(sha256), undefined);
      assert.notEqual(await store.hash(sha256).catch(({ code }) => code), sha256);
      const listed = await Array.fromAsync(store.list());
      assert.deepEqual(
        listed.map(({ sha256: name }) => name),
        [sha256],
      );
      assert.equal(await store.holds(sha256, staged), false);
      await store.put(sha256, staged, bytes.length);
      assert.equal(await store.holds(sha256, staged), true);
      assert.deepEqual(
        Buffer.concat(await Array.fromAsync((await store.read(blob, null))!)),
        bytes,
      );
    }
    const aside = await readdir(join(folder, 'damaged')).catch(() => []);
    assert.equal(aside.length, kind.endsWith('something') ? 2 : 0);
    await rm(path);
    await make(path);
    assert.equal(await store.delete(sha256), true);
    assert.deepEqual(await Array.fromAsync(store.list()), []);
  });
}
