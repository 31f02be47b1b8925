import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, chown, cp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cannotMount } from '../faults/mounted.ts';
import { ROOT } from './backup-commands.ts';
import { opening, temporaryFolder } from './opening.ts';

const asRoot = { skip: cannotMount() };
const NOBODY = 65534;
const OWNER = 'owned by nobody, uid 65534, mode 0[67]00';

/** Runs Node as root whom permissions bind, so that the checkout may belong to root alone. */
function runBound(dataDir: string, ...values: string[]) {
  const bound = ['--bounding-set=-dac_override,-dac_read_search', process.execPath];
  const { NODE_COMPILE_CACHE } = process.env;
  const { status, stdout, stderr } = spawnSync('setpriv', [...bound, ...values], {
    cwd: ROOT,
    env: { DATA_DIR: dataDir, PORT: '0', NODE_COMPILE_CACHE },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, output: stdout + stderr };
}

/** A data folder with an image, and nobody who has it. */
async function dataFolder(t: TestContext): Promise<string> {
  const dataDir = await temporaryFolder(t);
  const { create, close } = await opening(t, dataDir);
  await create();
  await close();
  return dataDir;
}

/** Parts of a data folder that belong to another user, who lets nobody else in. */
async function giveAway(dataDir: string, part: string): Promise<string> {
  const [shard] = await readdir(join(dataDir, 'blobs'));
  const [blob] = await readdir(join(dataDir, 'blobs', shard!));
  const name = part.replace('<shard>', shard!).replace('<blob>', blob!);
  await chown(join(dataDir, name), NOBODY, NOBODY);
  const isFile = (await stat(join(dataDir, name))).isFile();
  await chmod(join(dataDir, name), isFile ? 0o600 : 0o700);
  return name;
}

/** Tries to open each folder as root whom permissions bind. What it was told, in their order. */
function openBound(folders: readonly string[]): string[] {
  const script = `import { openDataFolder } from './src/storage-service/data-folder.ts';
    for (const path of process.argv.slice(1)) {
      const opening = openDataFolder(path).then(() => 'opened', ({ message }) => message);
      console.log(await opening);
    }`;
  const { output } = runBound('', '--input-type=module', '-e', script, ...folders);
  return output.trim().split('\n');
}

test('parts of another user end the start with who owns them and what to do', asRoot, async (t) => {
  const dataDir = await dataFolder(t);
  const names = new Map<string, string>();
  for (const part of [
    'catalog.sqlite',
    'lock.sqlite',
    'blobs',
    'blobs/<shard>',
    'blobs/<shard>/<blob>',
    'incoming',
  ]) {
    const copy = join(await temporaryFolder(t), 'data');
    await cp(dataDir, copy, { recursive: true });
    names.set(copy, await giveAway(copy, part));
  }
  const said = openBound([...names.keys()]);
  for (const [index, [folder, name]] of [...names].entries()) {
    assert.match(
      said[index]!,
      new RegExp(
        `^DATA_DIR=${folder}: user root \\(uid 0\\) cannot read.* ${name} \\(${OWNER}\\)\\. Give it all of the folder \\(chown -R 0:0 ${folder}\\)`,
      ),
    );
  }
  const [folder] = names.keys();
  const started = runBound(folder!, 'bin/all-in-one.ts');
  assert.equal(started.code, 1);
  assert.equal(started.output, `The service cannot start: ${said[0]}\n`);
});

test(
  'backup, restore and verify tell of files of another user what the start tells',
  asRoot,
  async (t) => {
    const dataDir = await dataFolder(t);
    const catalog = await giveAway(dataDir, 'catalog.sqlite');
    const backup = join(await temporaryFolder(t), 'backup');
    const expected = new RegExp(`cannot read.* catalog\\.sqlite \\(${OWNER}\\)\\. Give it all`);
    const assertTold = (exitCode: number, { code, output }: ReturnType<typeof runBound>) => {
      assert.equal(code, exitCode, output);
      assert.match(output, expected);
    };
    assertTold(1, runBound(dataDir, 'bin/backup.ts', backup));
    assertTold(2, runBound(dataDir, 'bin/verify.ts'));
    await chown(join(dataDir, catalog), 0, 0);
    assert.equal(runBound(dataDir, 'bin/backup.ts', backup).code, 0);
    await giveAway(backup, 'catalog.sqlite');
    assertTold(1, runBound(dataDir, 'bin/backup.ts', backup));
    assertTold(2, runBound(join(await temporaryFolder(t), 'new'), 'bin/restore.ts', backup));

    const restored = await temporaryFolder(t);
    await chown(restored, NOBODY, NOBODY);
    const { status, stderr } = spawnSync(process.execPath, ['bin/restore.ts', backup], {
      cwd: ROOT,
      env: { DATA_DIR: restored },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    for (const entry of await readdir(restored, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      assert.equal(
        (await stat(path)).uid,
        NOBODY,
        `${path}: root restores for the user of the folder`,
      );
    }
  },
);
