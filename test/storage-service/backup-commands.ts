import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runVerify } from '../services/service-process.ts';
import { temporaryFolder } from './opening.ts';

/** Where commands are run. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

type Command = 'backup' | 'restore';

/** Runs `npm run backup` or `restore`. The exit code, and all that it wrote. */
export async function run(command: Command, dataDir: string, ...values: string[]) {
  const { NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [`bin/${command}.ts`, ...values], {
    cwd: ROOT,
    env: { NODE_COMPILE_CACHE, DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** Does what must go well. What it said. */
export async function runWell(command: Command, dataDir: string, ...values: string[]) {
  const { code, output } = await run(command, dataDir, ...values);
  assert.equal(code, 0, output);
  return output;
}

/** Restores a backup into a new data folder, in which all is well. */
export async function restored(t: TestContext, backup: string): Promise<string> {
  const dataDir = `${await temporaryFolder(t)}/new`;
  await runWell('restore', dataDir, backup);
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 0, output);
  assert.match(output, /: 0 wrong, 0 mended\.\n$/);
  return dataDir;
}
