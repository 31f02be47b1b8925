import { once } from 'node:events';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Preloaded into a command: says that it is about to copy its first file, and waits for the end of its input. */

const { copyFile } = fs;
let released: Promise<unknown> | undefined;

function held(): Promise<unknown> {
  process.stdout.write('held\n');
  return once(process.stdin.resume(), 'end');
}

fs.copyFile = async (...values) => {
  released ??= held();
  await released;
  return copyFile(...values);
};
syncBuiltinESMExports();
