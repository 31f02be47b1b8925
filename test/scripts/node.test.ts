import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/node', import.meta.url));

/** As any Node: tells its version, and with other arguments what it was given. */
const node = (version: string, before = '') =>
  `#!/bin/sh\n${before}\ncase "$*" in *--version) echo ${version} ;; *) echo ${version} runs "$@" ;; esac\n`;
const REFUSES_FLAGS = 'case "$1" in --v8*) echo "node: bad option: $1" >&2; exit 9 ;; esac';

/** What `scripts/node a.ts` says where the system has the one Node and the project the other. */
async function run(nodes: { system: string; own?: string }) {
  const root = await mkdtemp(join(tmpdir(), 'scripts node-'));
  try {
    const folders = { system: join(root, 'bin'), own: join(root, 'node_modules/node-linux-x/bin') };
    for (const [whose, folder] of Object.entries(folders)) {
      await mkdir(folder, { recursive: true });
      const program = nodes[whose as keyof typeof nodes];
      if (program) await writeFile(join(folder, 'node'), program, { mode: 0o755 });
    }
    await mkdir(join(root, 'scripts'));
    await copyFile(SCRIPT, join(root, 'scripts/node'));
    const env = { PATH: `${folders.system}:/usr/bin:/bin` };
    return await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile('/bin/sh', [join(root, 'scripts/node'), 'a.ts'], { env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

describe('scripts/node', () => {
  test("takes the system's Node when that is new enough", async () => {
    const { stdout } = await run({ system: node('v99.0.0'), own: node('v98.0.0') });
    assert.match(stdout, /^v99\.0\.0 runs --.* a\.ts$/m);
  });

  test('else the one of the project: where it is too old, or does not know the flags', async () => {
    for (const system of [node('v20.1.0'), node('v99.0.0', REFUSES_FLAGS), '#!/bin/sh\nexit 1\n']) {
      const { stdout } = await run({ system, own: node('v98.0.0') });
      assert.match(stdout, /^v98\.0\.0 runs --.* a\.ts$/m);
    }
  });

  test('says what the system lacks to run the one of the project', async () => {
    const own = '#!/bin/sh\necho "libatomic.so.1: cannot open" >&2\nexit 127\n';
    const { code, stderr } = await run({ system: node('v20.1.0'), own });
    assert.equal(code, 1);
    assert.match(stderr, /libatomic\.so\.1: cannot open/);
  });

  test('says what is missing where there is none', async () => {
    const { code, stderr } = await run({ system: node('v99.0.0', REFUSES_FLAGS) });
    assert.equal(code, 1);
    assert.match(stderr, /^No Node\.js 24 or newer that takes --v8-pool-size=1 .*v99\.0\.0/);
  });
});
