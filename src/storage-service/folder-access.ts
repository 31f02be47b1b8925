import * as fs from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Whether a process can use a data folder, found out before it uses it: SQLite and the blob store
 * would otherwise fail one request at a time, long after the start said that all is well.
 */

type Need = 'read' | 'write';
type Part = { name: string; path: string; kind: 'file' | 'folder'; need: Need };
/** What is done to the catalog (and the folder, where SQLite keeps its logs), and to the files. */
export type Needs = { catalog: Need; files: Need };
type Folder = Record<'path' | 'catalog' | 'blobs' | 'incoming' | 'lock', string>;
type Denied = Part & { owner: string };

/** Parts that one message names; a folder of another user has up to 256 shards of that user. */
const NAMED_PARTS = 5;
const SHARD_NAME = /^([0-9a-f]{2}|damaged)$/;
const { R_OK, W_OK, X_OK } = fs.constants;

/**
 * Throws an Error for people unless this process can do what it needs to with every part that
 * exists. `shown` is how the user named the folder.
 */
export async function requireAccess(shown: string, folder: Folder, needs: Needs): Promise<void> {
  const denied: Denied[] = [];
  const look = async (part: Part) => {
    if (await isDenied(shown, part)) denied.push({ ...part, owner: await ownerOf(part.path) });
  };
  for (const part of partsIn(folder, needs)) await look(part);
  if (denied.length === 0) {
    const shards = await shardsIn(folder.blobs, needs.files);
    await Promise.all(shards.map(look));
    const file = denied.length === 0 && (await anyFileIn(shards));
    if (file) await look(file);
  }
  if (denied.length > 0) throw deniedError(shown, folder.path, denied);
}

function partsIn(folder: Folder, needs: Needs): Part[] {
  const part = (name: string, kind: Part['kind'], need: Need): Part => {
    return { name, path: join(folder.path, name), kind, need };
  };
  const logs = ['-wal', '-shm', '-journal'].map((end) => `catalog.sqlite${end}`);
  return [
    { name: 'the folder itself', path: folder.path, kind: 'folder', need: needs.catalog },
    ...['catalog.sqlite', ...logs].map((name) => part(name, 'file', needs.catalog)),
    part('lock.sqlite', 'file', needs.files),
    part('blobs', 'folder', needs.files),
    part('incoming', 'folder', needs.files),
  ];
}

async function shardsIn(blobs: string, need: Need): Promise<Part[]> {
  const names = await fs.readdir(blobs).catch(() => []);
  return names
    .filter((name) => SHARD_NAME.test(name))
    .map((name) => ({ name: `blobs/${name}`, path: join(blobs, name), kind: 'folder', need }));
}

/** One stands for all: whoever restored them did so in one go. A blob is never written to again. */
async function anyFileIn(shards: readonly Part[]): Promise<Part | undefined> {
  for (const { name, path } of shards) {
    for await (const entry of await fs.opendir(path)) {
      if (!entry.isFile()) continue;
      const file = { name: `${name}/${entry.name}`, path: join(path, entry.name) };
      return { ...file, kind: 'file', need: 'read' };
    }
  }
  return undefined;
}

async function isDenied(shown: string, { name, path, kind, need }: Part): Promise<boolean> {
  try {
    if (!(await exists(path))) return false;
    const stat = await fs.stat(path);
    if (kind === 'file' ? !stat.isFile() : !stat.isDirectory()) {
      throw new Error(
        `${shown}: ${name} must be a ${kind}, and is not. Move it away, or name another folder.`,
      );
    }
    const mode = R_OK | (kind === 'folder' ? X_OK : 0) | (need === 'write' ? W_OK : 0);
    await fs.access(path, mode);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === 'EACCES' || code === 'EPERM') return true;
    throw new Error(`${shown}: ${name} ${unusable(code)}`, { cause: error });
  }
}

/** Also of a symbolic link that leads nowhere. */
async function exists(path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function unusable(code: string): string {
  if (code === 'ENOENT') {
    return 'is a symbolic link to something that does not exist. Mount or create its target, or remove the link.';
  }
  if (code === 'ELOOP') return 'is a symbolic link that leads to itself. Remove the link.';
  if (code === 'EROFS') {
    return 'cannot be written (EROFS). Name a folder on a file system that is not read-only.';
  }
  return `cannot be used (${code}). Check its disk, or name another folder.`;
}

function deniedError(shown: string, path: string, denied: readonly Denied[]): Error {
  const named = denied.slice(0, NAMED_PARTS).map(({ name, owner }) => `${name} (${owner})`);
  const more = denied.length - named.length;
  if (more > 0) named.push(`${more} more`);
  const { uid, gid } = userInfoOrIds();
  const verb = denied.some(({ need }) => need === 'write') ? 'read and write' : 'read';
  return new Error(
    `${shown}: ${whoAmI()} cannot ${verb} ${named.join(', ')}. Give it all of the folder (chown -R ${uid}:${gid} ${path}), check its permissions, or name another folder.`,
  );
}

/** For people: "owned by root, uid 0, mode 0600". */
export async function ownerOf(path: string): Promise<string> {
  try {
    const { uid, mode } = await fs.stat(path);
    const name = await nameOf(uid);
    const permissions = (mode & 0o7777).toString(8).padStart(4, '0');
    return `owned by ${name ? `${name}, ` : ''}uid ${uid}, mode ${permissions}`;
  } catch {
    return 'its owner cannot be seen';
  }
}

/** For people: "user node (uid 1000)". A user of a container need not have a name. */
export function whoAmI(): string {
  const { uid, username } = userInfoOrIds();
  return username ? `user ${username} (uid ${uid})` : `the user with uid ${uid}`;
}

function userInfoOrIds(): { uid: number; gid: number; username?: string } {
  try {
    return userInfo();
  } catch {
    return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  }
}

async function nameOf(uid: number): Promise<string | undefined> {
  const users = await fs.readFile('/etc/passwd', 'utf8').catch(() => '');
  return users
    .split('\n')
    .find((line) => line.split(':')[2] === String(uid))
    ?.split(':')[0];
}
