import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LogOutput } from '../../src/telemetry/log-output.ts';
import { eventually } from '../services/data-folder.ts';
import { cannotMount, fill, tmpfs } from './mounted.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** More than a pipe and the service hold together. */
const OVERFLOW_BYTES = 1.25 * 1024 * 1024;
/** Near the longest that is accepted: few requests fill the log. */
const LONG = 'x'.repeat(12_000);

test('a service whose log has a full disk serves on, says so once, and stops when asked to', async (t) => {
  const service = await start(t, openSync('/dev/full', 'w'));
  await service.overflow();
  assert.equal(await service.status('/health/ready'), 200);
  assert.ok((await service.lost('full')) > 0);
  assert.equal(await service.stop(), 0);
  assert.match(service.stderr(), /^The log cannot be written \(full\)\.[^\n]*\n$/);
});

test('a service whose log nobody reads serves on, and tells what was lost once it is read again', async (t) => {
  const fifo = join(await folder(t), 'log');
  execFileSync('mkfifo', [fifo]);
  let reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const service = await start(t, openSync(fifo, 'w'));
  await service.overflow();
  assert.ok((await service.lost('stalled')) > 0);

  closeSync(reader);
  await service.request(`/health/live?${LONG}`);
  await eventually(async () => {
    await service.request(`/absent?${LONG}`);
    assert.ok((await service.lost('closed')) > 0);
  });

  reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  let text = '';
  const told = () => text.split('\n').find((line) => line.includes('Log lines were lost'));
  await eventually(() => {
    text += readAll(reader);
    assert.ok(told());
  });
  // What was half written when the first reader left is the only line that is torn.
  const lines = text.split('\n').slice(1, -1);
  for (const line of lines) JSON.parse(line);
  const { lines: count, level } = JSON.parse(told()!);
  assert.equal(count, (await service.lost('stalled')) + (await service.lost('closed')));
  assert.equal(level, 'WARNING');
  assert.match(
    service.stderr(),
    /^The log cannot[^\n]*\nThe log is written again\. Lines lost: \d+\.\n$/,
  );

  await service.overflow();
  assert.equal(await service.stop(), 0);
  closeSync(reader);
});

test('a service whose terminal or pipe was closed serves on', async (t) => {
  const service = await start(t, 'pipe');
  service.child.stdout!.destroy();
  service.child.stderr!.destroy();
  await service.overflow();
  assert.equal(await service.status('/health/ready'), 200);
  assert.ok((await service.lost('closed')) > 0);
  assert.equal(await service.stop(), 0);
});

test('a log whose disk has room again is whole, but for the lines that were counted as lost', {
  skip: cannotMount(),
}, async (t) => {
  const folder = tmpfs(t, 'size=256k');
  const path = join(folder, 'log');
  const fd = openSync(path, 'a');
  t.after(() => closeSync(fd));
  const said: string[] = [];
  const write = (data: string | Uint8Array) =>
    typeof data === 'string' ? writeSync(fd, data) : writeSync(fd, data);
  const output = new LogOutput(write, (text) => said.push(text));
  const restored = Promise.withResolvers<number>();
  output.restored = restored.resolve;
  // A page is left: the next line fits in part.
  const filler = await fill(folder, 4096);
  const line = (number: number) => `${number}:${'y'.repeat(3_000)}\n`;
  let number = 0;
  while (output.lost.full === 0) output.write(line(number++));
  assert.equal(said.length, 1);
  await filler.empty();
  // 256 KiB do not take the 1 MiB that are held.
  execFileSync('mount', ['-o', 'remount,size=4m', folder]);
  assert.equal(await restored.promise, 1);
  const expected = Array.from({ length: number - 1 }, (_, index) => line(index)).join('');
  assert.equal(readFileSync(path, 'utf8'), expected);
  assert.equal(said.length, 2);
});

test('a command keeps its exit code though its output is on a full disk', async () => {
  const commands = ['bin/all-in-one.ts', 'bin/verify.ts', 'bin/backup.ts', 'client/import.ts'];
  await Promise.all(
    commands.map(async (command) => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [command, '--help'], {
        cwd: ROOT,
        stdio: ['ignore', full, 'pipe'],
      });
      closeSync(full);
      let said = '';
      child.stderr!.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
      const [code] = await once(child, 'close');
      assert.equal(code, 0, command);
      assert.match(said, /^The output cannot be written \(ENOSPC\)[^\n]*\n$/, command);
    }),
  );
});

/** The all-in-one with this as its standard output. */
async function start(t: TestContext, stdout: number | 'pipe') {
  const dataDir = await folder(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, NODE_COMPILE_CACHE, DATA_DIR: dataDir, PORT: String(port) };
  const child: ChildProcess = spawn(process.execPath, ['bin/all-in-one.ts'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', stdout, 'pipe'],
  });
  if (typeof stdout === 'number') closeSync(stdout);
  t.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const request = async (path: string) => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, text: await response.text() };
  };
  await eventually(async () => void (await request('/health/live')), 30_000);
  return {
    child,
    request,
    stderr: () => stderr,
    status: async (path: string) => (await request(path)).status,
    async lost(reason: string): Promise<number> {
      const { text } = await request('/metrics');
      return Number(text.match(`dnd_log_lines_lost_total{reason="${reason}"} (\\d+)`)?.[1]);
    },
    async overflow() {
      const count = Math.ceil(OVERFLOW_BYTES / LONG.length);
      for (let sent = 0; sent < count; sent += 1) await request(`/absent?${LONG}`);
    },
    async stop() {
      child.kill('SIGTERM');
      return (await exit)[0];
    },
  };
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'log-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function readAll(fd: number): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(64 * 1024);
    try {
      const size = readSync(fd, chunk);
      if (size === 0) break;
      chunks.push(chunk.subarray(0, size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
