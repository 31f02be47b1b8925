import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { ImageClient } from '../../../client/client.ts';
import { startService } from '../../services/service.ts';

const program = fileURLToPath(new URL('../../../client/import.ts', import.meta.url));

/** A PNG unlike any other. */
function png(seed: number): Promise<Buffer> {
  const background = { r: seed & 255, g: (seed >> 8) & 255, b: 90 };
  return sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .png()
    .toBuffer();
}

async function folderOf(t: TestContext, files: Record<string, Buffer | string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'import-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

async function manyImages(t: TestContext, count: number): Promise<string> {
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < count; i++) files[`${i}.png`] = await png(i);
  return folderOf(t, files);
}

/** The import command, started. */
function importing(path: string, url: string, ...options: string[]) {
  return run([path, '--type', 'portrait', '--theme', 'fantasy', '--url', url, ...options]);
}

function run(args: string[]) {
  const child = spawn(process.execPath, [program, ...args]);
  const output = Array.fromAsync(child.stdout.setEncoding('utf8'));
  const complaints = Array.fromAsync(child.stderr.setEncoding('utf8'));
  const ended = once(child, 'close').then(async ([code]) => {
    const text = (await output).join('');
    const counts = (what: string) => {
      const rows = [...text.matchAll(new RegExp(`^${what} +([\\d,]+)`, 'gm'))];
      return rows.reduce((sum, row) => sum + Number(row[1]), 0);
    };
    return { code, text, counts, complaints: (await complaints).join('') };
  });
  return { child, ended };
}

const imported = (client: ImageClient) =>
  Array.fromAsync(client.list({ source_type: ['import'], limit: 200 }));

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

test('a folder goes in once, however often it is imported', async (t) => {
  await using service = await startService();
  const { url } = service;
  const client = new ImageClient({ url });
  const same = await png(1);
  const folder = await folderOf(t, {
    'Elves/High_Archer-2.png': same,
    'Elves/rangers/copy.png': same,
    'map.dat': await png(2),
    'notes.txt': 'no image',
    '.hidden.png': await png(3),
  });
  const options = ['--recursive', '--tag', 'Painted', '--visibility', 'private'];
  const first = await importing(folder, url, ...options).ended;
  assert.equal(first.code, 0, first.complaints);
  assert.equal(first.counts('taken'), 3);
  assert.equal(first.counts('skipped'), 2);

  const images = await imported(client);
  const told = images.map(({ name, tags, visibility, content }) => {
    return `${name} [${tags}] ${visibility} ${content.filename}`;
  });
  assert.deepEqual(told.sort(), [
    'High Archer 2 [painted,elves] private High_Archer-2.png',
    'copy [painted,elves,rangers] private copy.png',
    'map [painted] private map.dat',
  ]);
  const archer = images.find(({ name }) => name.startsWith('High'))!;
  const bytes = await (await client.content(archer.id)).bytes();
  assert.deepEqual(Buffer.from(bytes), same);

  const second = await importing(folder, url, ...options).ended;
  assert.equal(second.code, 0);
  assert.equal(second.counts('taken'), 0);
  assert.equal(second.counts('already there'), 3);
  assert.equal((await imported(client)).length, 3);
});

test('single files go in, once, as if their folder had been named', async (t) => {
  await using service = await startService();
  const { url } = service;
  const folder = await folderOf(t, { 'a.png': await png(1), 'b.png': await png(2) });
  const first = await importing(join(folder, 'a.png'), url).ended;
  assert.deepEqual([first.code, first.counts('taken')], [0, 1], first.complaints);
  const both = await importing(join(folder, 'a.png'), url, join(folder, 'b.png')).ended;
  assert.deepEqual([both.code, both.counts('taken'), both.counts('already there')], [0, 1, 1]);
  const all = await importing(folder, url).ended;
  assert.deepEqual([all.code, all.counts('already there')], [0, 2]);
});

test('sub-folders name themes, and those inside them tags', async (t) => {
  await using service = await startService();
  const { url } = service;
  const folder = await folderOf(t, {
    'horror/crypts/old.png': await png(1),
    'space_fantasy/ship.png': await png(2),
    '@eaDir/ship.png/thumb.png': await png(3),
    'loose.png': await png(4),
  });
  const command = [folder, '--type', 'map', '--url', url, '--theme-from-folders'];
  const { code, counts, text } = await run(command).ended;
  assert.deepEqual([code, counts('taken'), counts('refused')], [1, 2, 1]);
  assert.match(text, /^ {2}loose\.png: no_theme, /m);
  assert.match(text, /^skipped +1 +thumbnails or trash of the system\n {2}@eaDir$/m);
  const found = await imported(new ImageClient({ url }));
  assert.deepEqual(found.map(({ name, theme, tags }) => `${name} ${theme} [${tags}]`).sort(), [
    'old horror [crypts]',
    'ship space_fantasy []',
  ]);
  const again = await run([...command, '--theme', 'noir']).ended;
  assert.deepEqual([again.code, again.counts('taken'), again.counts('already there')], [0, 1, 2]);
});

test('an import that finds no image says why and exits 1', async (t) => {
  await using service = await startService();
  const { url } = service;
  const folder = await folderOf(t, { 'inner/a.png': await png(1), 'notes.txt': 'no image' });
  const { code, text, complaints } = await importing(folder, url).ended;
  assert.equal(code, 1);
  assert.match(
    complaints,
    /No image was found. --recursive also imports from the folders inside \(1\)/,
  );
  assert.match(text, /^ {2}notes\.txt$/m);
});

test('a file that is refused is named with the reason, the others go in', async (t) => {
  await using service = await startService();
  const { url } = service;
  const good = await png(1);
  const folder = await folderOf(t, { 'good.png': good, 'cut.png': good.subarray(0, 40) });
  const { code, counts, text } = await importing(folder, url).ended;
  assert.equal(code, 1);
  assert.equal(counts('taken'), 1);
  assert.match(text, /^refused +1$/m);
  assert.match(text, /^ {2}cut\.png: image_unreadable, /m);
});

test('an image that was deleted since stays deleted, and that is told', async (t) => {
  await using service = await startService();
  const { url } = service;
  const client = new ImageClient({ url });
  const folder = await manyImages(t, 2);
  await importing(folder, url).ended;
  const [image] = await imported(client);
  await client.delete(image!.id);
  const { code, counts } = await importing(folder, url).ended;
  assert.equal(code, 0);
  assert.deepEqual([counts('already there'), counts('deleted there'), counts('taken')], [1, 1, 0]);
  assert.equal((await imported(client)).length, 1);
});

test('interrupted, it finishes what is under way; run again, it brings the rest', async (t) => {
  await using service = await startService();
  const { url } = service;
  const client = new ImageClient({ url });
  const folder = await manyImages(t, 120);
  const { child, ended } = importing(folder, url);
  await until(async () => (await imported(client)).length > 0);
  child.kill('SIGINT');
  child.kill('SIGINT'); // npm passes on what the terminal has sent already
  const first = await ended;
  assert.equal(first.code, 130);
  const taken = first.counts('taken');
  assert.ok(taken < 120, 'it was over before it was interrupted');
  assert.equal((await imported(client)).length, taken);

  const second = await importing(folder, url).ended;
  assert.equal(second.code, 0);
  assert.equal(second.counts('taken'), 120 - taken);
  assert.equal((await imported(client)).length, 120);
});

test('killed and run again, it makes no duplicates', async (t) => {
  await using service = await startService();
  const { url } = service;
  const client = new ImageClient({ url });
  const folder = await manyImages(t, 60);
  const { child, ended } = importing(folder, url);
  await until(async () => (await imported(client)).length > 0);
  child.kill('SIGKILL');
  await ended;
  assert.equal((await importing(folder, url).ended).code, 0);
  assert.equal(new Set((await imported(client)).map((image) => image.source_id)).size, 60);
  assert.equal((await imported(client)).length, 60);
});

test('two imports of one folder at the same time bring each image once', async (t) => {
  await using service = await startService();
  const { url } = service;
  const folder = await manyImages(t, 40);
  const both = await Promise.all([importing(folder, url).ended, importing(folder, url).ended]);
  assert.deepEqual([both[0].code, both[1].code], [0, 0]);
  assert.equal(both[0].counts('taken') + both[1].counts('taken'), 40);
  assert.equal((await imported(new ImageClient({ url }))).length, 40);
});

test('an image that was purged comes again, though its key is still remembered', async (t) => {
  await using service = await startService({ RETENTION_DAYS: '0', SWEEP_SECONDS: '1' });
  const { url } = service;
  const client = new ImageClient({ url });
  const folder = await manyImages(t, 1);
  await importing(folder, url).ended;
  const [first] = await imported(client);
  await client.delete(first!.id);
  await until(async () => (await Array.fromAsync(client.list({ deleted: true }))).length === 0);
  const { code, counts } = await importing(folder, url).ended;
  assert.deepEqual([code, counts('taken')], [0, 1]);
  const [second] = await imported(client);
  assert.notEqual(second!.id, first!.id);
});

test('a service that goes away and comes back is waited for', async (t) => {
  const env = { DATA_DIR: await folderOf(t, {}) };
  let service = await startService(env);
  // The service has another port after its restart; its clients do not see that.
  const door = createServer((socket) => {
    const way = connect(service.port, '127.0.0.1');
    socket.pipe(way).pipe(socket);
    socket.on('error', () => way.destroy()).on('close', () => way.destroy());
    way.on('error', () => {}).on('close', () => socket.destroy());
  });
  await once(door.listen(0, '127.0.0.1'), 'listening');
  t.after(() => door.close());
  const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  const client = new ImageClient({ url });

  const folder = await manyImages(t, 80);
  const { ended } = importing(folder, url);
  await until(async () => (await imported(client)).length > 0);
  await service.close();
  service = await startService(env);
  t.after(() => service.close());
  const { code, counts, complaints } = await ended;
  assert.equal(code, 0, complaints);
  assert.equal(counts('taken') + counts('already there'), 80);
  assert.equal((await imported(client)).length, 80);
});

test('nobody at the address: it says how to start the service', async (t) => {
  const service = await startService();
  await service.close();
  const { code, complaints } = await importing(await manyImages(t, 1), service.url).ended;
  assert.equal(code, 1);
  assert.match(complaints, new RegExp(`No answer from ${service.url}: .*ECONNREFUSED`));
  assert.match(complaints, /npm start/);
});

test('a wrong command line is told and exits 2; help exits 0', async (t) => {
  const folder = await manyImages(t, 0);
  const { code, complaints } = await run([folder, '--type', 'picture']).ended;
  assert.equal(code, 2);
  assert.match(complaints, /^--type is picture.*\n.*--help/);
  assert.equal((await run(['--help']).ended).code, 0);
});
