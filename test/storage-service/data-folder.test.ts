import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataFolder } from '../../src/storage-service/data-folder.ts';
import { ServiceProcess } from '../services/service-process.ts';
import { temporaryFolder } from './opening.ts';

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
  const expected = /^Error: DATA_DIR=.*: cannot be written \(E\w+\)\. Name a folder/;
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
