import { readlinkSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { relative } from 'node:path';

type Promises = typeof import('node:fs/promises');
const fs = createRequire(import.meta.url)('node:fs/promises') as Promises;

/**
 * Records what is done to names below a folder, and what is synced, in order: the file system is the
 * real one. `fail` gives the error with which a step fails instead, if it is to.
 */
export async function recordFiles(
  folder: string,
  fail: (step: string) => string | undefined = () => undefined,
) {
  const steps: string[] = [];
  const below = (path: unknown) => relative(folder, String(path)) || '.';
  const record = (step: string) => {
    const code = fail(step);
    steps.push(code ? `${step} fails` : step);
    if (!code) return;
    throw Object.assign(new Error(code), { code, errno: -5, syscall: step.split(' ')[0] });
  };
  const before = { link: fs.link, rename: fs.rename, unlink: fs.unlink, mkdir: fs.mkdir };
  await using handle = await fs.open('/dev/null');
  const handles = Object.getPrototypeOf(handle) as { fd: number; sync(): Promise<void> };
  const { sync } = handles;

  // As the functions of node:fs/promises, which the module under test imports.
  const wrapped = {
    async link(from: string, to: string) {
      record(`link ${below(to)}`);
      await before.link(from, to);
    },
    async rename(from: string, to: string) {
      record(`rename ${below(from)} to ${below(to)}`);
      await before.rename(from, to);
    },
    async unlink(path: string) {
      await before.unlink(path);
      record(`unlink ${below(path)}`);
    },
    async mkdir(path: string, ...options: [object?]) {
      const made = await before.mkdir(path, ...options);
      record(`mkdir ${below(path)}`);
      return made;
    },
  };
  Object.assign(fs, wrapped);
  handles.sync = async function (this: { fd: number }) {
    record(`sync ${below(readlinkSync(`/proc/self/fd/${this.fd}`))}`);
    await sync.call(this as never);
  };
  syncBuiltinESMExports();
  return {
    steps,
    [Symbol.dispose]() {
      Object.assign(fs, before);
      handles.sync = sync;
      syncBuiltinESMExports();
    },
  };
}
