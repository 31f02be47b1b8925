import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { countFiles, type Found, walk } from '../../../client/import/walk.ts';

async function tree(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'walk-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'elves/rangers'), { recursive: true });
  await mkdir(join(folder, '.git'));
  for (const path of ['a.png', '.hidden.png', '.git/b.png', 'elves/c.png', 'elves/rangers/d.png']) {
    await writeFile(join(folder, path), path);
  }
  await symlink('..', join(folder, 'elves/up'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  return folder;
}

async function told(folder: string, recursive: boolean): Promise<string[]> {
  const said = (found: Found) => ('reason' in found ? found.reason : found.kind);
  const all = await Array.fromAsync(walk(folder, recursive));
  return all.map((found) => `${found.path}: ${said(found)}`).sort();
}

test('a folder gives its files and says what it passes over', async (t) => {
  assert.deepEqual(await told(await tree(t), false), [
    '.git: hidden',
    '.hidden.png: hidden',
    'a.png: file',
    'elves: folder; --recursive imports its images',
    'pipe: neither file nor folder',
  ]);
});

test('with its folders, but never through a link', async (t) => {
  const folder = await tree(t);
  assert.deepEqual(await told(folder, true), [
    '.git: hidden',
    '.hidden.png: hidden',
    'a.png: file',
    'elves/c.png: file',
    'elves/rangers/d.png: file',
    'elves/up: symbolic link',
    'pipe: neither file nor folder',
  ]);
  assert.equal(
    await countFiles([{ path: folder, isFolder: true }], true, new AbortController().signal),
    3,
  );
});

test('a folder that cannot be read is told, and the walk goes on', async () => {
  assert.deepEqual(await told('/nowhere/at/all', true), ['.: unreadable']);
});
