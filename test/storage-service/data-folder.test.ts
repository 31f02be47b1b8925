import assert from 'node:assert/strict';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServiceError } from '../../src/contract/errors.ts';
import { FileBlobStore } from '../../src/storage-service/blobs/file-blob-store.ts';
import { openDataFolder } from '../../src/storage-service/data-folder.ts';
import { diskFault } from '../../src/storage-service/disk-fault.ts';
import { bindMount, cannotMount, tmpfs } from '../faults/mounted.ts';
import { ServiceProcess } from '../services/service-process.ts';
import { opening, temporaryFolder } from './opening.ts';

const asRoot = { skip: cannotMount() };

test('a folder is made with all its parts, and can be opened again once released', async (t) => {
  const path = join(await temporaryFolder(t), 'a', 'b');
  const first = await openDataFolder(path);
  await assert.rejects(openDataFolder(path), /in use by another process of this service/);
  first.release();
  (await openDataFolder(path)).release();
});

test('what cannot be a folder is told with what would be right', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  const expected = /^Error: DATA_DIR=.*: cannot be written \(.+\)\. Name a folder/;
  await assert.rejects(openDataFolder(file), expected);
  await assert.rejects(openDataFolder(join(file, 'below')), expected);
});

test('a second process is refused, and has the folder once the first is killed', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data');
  await mkdir(dataDir);
  const start = () => {
    const service = new ServiceProcess(dataDir);
    t.after(() => service.kill());
    return service;
  };
  const first = start();
  await first.ready;
  const second = start();
  assert.equal(await second.exit, 1);
  assert.match(second.stderr, /DATA_DIR=.*: in use by another process of this service\. Stop that/);
  assert.doesNotMatch(second.stderr, /\n.*\n/, 'one line, no stack');
  assert.equal((await fetch(`${await first.ready}/health`)).status, 200);

  await first.kill();
  const third = start();
  assert.equal((await fetch(`${await third.ready}/health`)).status, 200);
  assert.equal(await third.stop(), 0);
});

test('an error of a file operation is never a fault of the service itself', () => {
  for (const [code, errno] of Object.entries(constants.errno)) {
    const error = Object.assign(new Error(code), { code, errno: -errno, syscall: 'link' });
    const fault = diskFault(error);
    assert.ok(fault instanceof ServiceError, code);
    assert.match(fault.code, /^storage_(unavailable|full)$/, code);
  }
  const closed = Object.assign(new Error('closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  assert.equal(diskFault(closed), closed);
});

const wrong: [string, (path: string) => Promise<unknown>, RegExp][] = [
  ['blobs that are a file', (path) => writeFile(join(path, 'blobs'), ''), /blobs must be a folder/],
  [
    'a catalog that is a folder',
    (path) => mkdir(join(path, 'catalog.sqlite')),
    /catalog\.sqlite must be a file/,
  ],
  [
    'a log of the catalog that is a folder',
    (path) => mkdir(join(path, 'catalog.sqlite-wal')),
    /catalog\.sqlite-wal must be a file/,
  ],
  [
    'blobs linked to a disk that is not mounted',
    (path) => symlink(join(path, 'absent'), join(path, 'blobs')),
    /blobs is a symbolic link to something that does not exist\. Mount or create its target/,
  ],
  [
    'a link to itself',
    (path) => symlink('incoming', join(path, 'incoming')),
    /incoming is a symbolic link that leads to itself/,
  ],
  [
    'a shard that is a file',
    async (path) => {
      await mkdir(join(path, 'blobs'));
      await writeFile(join(path, 'blobs', 'ab'), '');
    },
    /blobs\/ab must be a folder/,
  ],
  [
    'a lock that is no database',
    (path) => writeFile(join(path, 'lock.sqlite'), 'x'.repeat(4096)),
    /lock\.sqlite cannot be locked .*remove it while no service runs/,
  ],
];
for (const [what, make, expected] of wrong) {
  test(`${what} is told at the start, with the part and a remedy`, async (t) => {
    const path = await temporaryFolder(t);
    await make(path);
    await assert.rejects(openDataFolder(path), ({ message }) => {
      assert.match(message, /^DATA_DIR=/);
      assert.match(message, expected);
      return true;
    });
  });
}

test(
  'blobs and incoming must be one file system, with shards that are elsewhere too',
  asRoot,
  async (t) => {
    const expected =
      /: blobs and incoming must be on one file system that has hard links; .*\(EXDEV\)/;
    const linked = await temporaryFolder(t);
    await symlink(tmpfs(t, 'size=1m'), join(linked, 'blobs'));
    await assert.rejects(openDataFolder(linked), expected);
    await rm(join(linked, 'blobs'));
    (await openDataFolder(linked)).release();

    await symlink(tmpfs(t, 'size=1m'), join(linked, 'blobs', 'ab'));
    await assert.rejects(openDataFolder(linked), expected);
    await rm(join(linked, 'blobs', 'ab'));
    (await openDataFolder(linked)).release();
    assert.deepEqual(await readdir(join(linked, 'incoming')), []);
    assert.deepEqual(await readdir(join(linked, 'blobs')), []);

    // Of the same disk, and yet no link can be made: comparing devices would not tell.
    const mounted = await temporaryFolder(t);
    await mkdir(join(mounted, 'blobs'));
    const unmount = bindMount(await temporaryFolder(t), join(mounted, 'blobs'));
    try {
      await assert.rejects(openDataFolder(mounted), expected);
    } finally {
      unmount();
    }
  },
);

test(
  'a disk that becomes another one while the service runs is storage that is away',
  asRoot,
  async (t) => {
    const { store, create } = await opening(t, await temporaryFolder(t));
    const { content } = await create();
    assert.ok(store);
    const blobs = new FileBlobStore(tmpfs(t, 'size=1m'));
    const file = join(await temporaryFolder(t), 'file');
    await writeFile(file, 'x');
    await assert.rejects(blobs.put(content.sha256, file, 1), { code: 'storage_unavailable' });
  },
);

test('a folder that cannot be made, or is a file, ends the start at once', async (t) => {
  await assert.rejects(openDataFolder('/proc/nope/data'), /cannot be written \(ENOENT\)/);
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  await assert.rejects(openDataFolder(join(file, 'data')), /cannot be written/);
  await assert.rejects(openDataFolder(file), /file is not a folder/);
});
