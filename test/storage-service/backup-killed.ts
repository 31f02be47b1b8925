import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Preloaded into a command: it dies by SIGKILL at a chosen one of its file operations, before that is done. */

const FATAL = Number(process.env.FATAL_OPERATION);
const COUNTED = [
  'mkdir',
  'open',
  'stat',
  'rm',
  'copyFile',
  'rename',
  'writeFile',
  'unlink',
] as const;

let count = 0;
const operations = fs as unknown as Record<string, (...values: unknown[]) => unknown>;
for (const name of COUNTED) {
  const operation = operations[name]!;
  operations[name] = (...values) => {
    if (++count === FATAL) process.kill(process.pid, 'SIGKILL');
    return operation(...values);
  };
}
syncBuiltinESMExports();
