import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Small file systems of their own, for disks that fail. They need root and mount(8). */

const run = (command: string, ...values: string[]) =>
  execFileSync(command, values, { stdio: ['ignore', 'pipe', 'pipe'] });

/** Lazily: whoever still has files of it open does not keep it. */
function unmount(folder: string): void {
  try {
    run('umount', '--lazy', folder);
  } finally {
    rmdirSync(folder);
  }
}

/** A tmpfs; gone with the test. */
export function tmpfs(t: TestContext, options: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tmpfs-'));
  t.after(() => unmount(folder));
  run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder);
  return folder;
}

/** The same folder at another place. Returns what ends that. */
export function bindMount(from: string, to: string): () => void {
  run('mount', '--bind', from, to);
  return () => run('umount', '--lazy', to);
}

/** An ext4 in a file, which can fail as a disk does: it turns read-only under open files. */
export function ext4(t: TestContext, megabytes: number) {
  const folder = mkdtempSync(join(tmpdir(), 'ext4-'));
  const image = `${folder}.img`;
  const mount = () => run('mount', '-o', 'loop', image, folder);
  t.after(() => {
    unmount(folder);
    rmSync(image);
  });
  writeFileSync(image, Buffer.alloc(megabytes * 1024 * 1024));
  run('mkfs.ext4', '-q', image);
  mount();
  return {
    folder,
    /** As after a write error: ext4(5), `abort`. */
    fail: () => run('mount', '-o', 'remount,abort', folder),
    /** As after a restart of the machine. */
    restore() {
      run('umount', folder);
      mount();
    },
  };
}

/** Why the tests that need them cannot run here; under CI they then fail instead. */
export function cannotMount(): string | false {
  if (process.env.CI === 'true') return false;
  const folder = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', folder);
    run('umount', folder);
    return false;
  } catch {
    return 'needs root and mount(8)';
  } finally {
    rmdirSync(folder);
  }
}

/** Takes all the room there is, or all but so many bytes. */
export async function fill(folder: string, leaveBytes = 0): Promise<Filler> {
  const path = join(folder, 'filler');
  const block = Buffer.alloc(64 * 1024);
  let size = 0;
  try {
    for (;;) {
      await writeFile(path, block, { flag: 'a' });
      size += block.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  if (leaveBytes > 0) await truncate(path, Math.max(0, size - leaveBytes));
  return { empty: () => rm(path) };
}

/** Takes two megabytes, to be given back. */
export async function reserve(folder: string): Promise<Filler> {
  const path = join(folder, 'reserve');
  await writeFile(path, Buffer.alloc(2 * 1024 * 1024));
  return { empty: () => rm(path) };
}

export type Filler = { empty(): Promise<void> };
