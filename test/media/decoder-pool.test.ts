import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { IMAGE_MAX_PIXELS } from '../../src/contract/limits.ts';
import { DecoderPool } from '../../src/media/decoder-pool.ts';
import { image, largeMap } from '../fixtures/images.ts';
import { call, inspecting } from './inspecting.ts';

const noProc = existsSync('/proc/self/statm') ? false : 'needs /proc';

/** Processes that this one has started and that still run. */
function children(): number[] {
  const listed = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1');
  return listed.split(' ').filter(Boolean).map(Number);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

/** A decode of this file never ends: nobody writes into the pipe. */
function endless(folder: string): string {
  const path = join(folder, 'endless');
  execFileSync('mkfifo', [path]);
  return path;
}

test('20 maps of 144 megapixels at once stay within the pixels in flight', async (t) => {
  const { pool, keep } = await inspecting(t);
  const path = await keep(await largeMap());
  let most = 0;
  let done = false;
  const watching = until(() => {
    most = Math.max(most, pool.load.pixels);
    return done;
  });
  const all = await Promise.all(Array.from({ length: 20 }, () => pool.inspect(path, call())));
  done = true;
  await watching;
  assert.equal(most, 144_000_000);
  assert.ok(most <= IMAGE_MAX_PIXELS);
  assert.equal(new Set(all.map(({ facts }) => JSON.stringify(facts))).size, 1);
  assert.deepEqual(pool.load, { jobs: 0, waiting: 0, pixels: 0, running: true });
});

test('a job survives the death of the process it ran in', { skip: noProc }, async (t) => {
  const { pool, keep } = await inspecting(t);
  const path = await keep(await largeMap());
  const before = children();
  const inspection = pool.inspect(path, call());
  await until(() => pool.load.pixels > 0);
  const [child] = children().filter((pid) => !before.includes(pid));
  process.kill(child!, 'SIGKILL');
  assert.equal((await inspection).facts.width, 12_000);
});

test('a decode that does not end is ended, and other images are not harmed', async (t) => {
  const { pool, folder, keep } = await inspecting(t, { stepMaxMs: 3_000 });
  const good = await keep(await image('png'));
  const hung = pool.inspect(endless(folder), call());
  const beside = pool.inspect(good, call());
  await assert.rejects(hung, { code: 'image_unreadable', message: /longer than 3 seconds/ });
  assert.equal((await beside).facts.width, 320);
  assert.equal((await pool.inspect(good, call())).facts.width, 320);
});

test('a decode that takes too much memory is ended', { skip: noProc }, async (t) => {
  const { pool, folder } = await inspecting(t, { memoryMaxBytes: 1 });
  await assert.rejects(pool.inspect(endless(folder), call()), {
    code: 'image_too_large',
    message: /memory/,
  });
  assert.equal(pool.load.running, false);
});

test('a caller who gives up gets his answer at once, waiting or running', async (t) => {
  const { pool, folder } = await inspecting(t, { jobs: 1 });
  const path = endless(folder);
  const one = new AbortController();
  const running = pool.inspect(path, call({ signal: one.signal }));
  const late = pool.inspect(path, call({ ms: 1 }));
  const two = new AbortController();
  const waiting = pool.inspect(path, call({ signal: two.signal }));
  two.abort();
  await assert.rejects(waiting, { code: 'deadline_exceeded' });
  await assert.rejects(late, { code: 'deadline_exceeded' });
  one.abort();
  await assert.rejects(running, { code: 'deadline_exceeded' });
  await assert.rejects(pool.inspect(path, call({ signal: one.signal })), {
    code: 'deadline_exceeded',
  });
  assert.equal(pool.load.waiting, 0);
});

test('more than the queue holds is refused at once', async (t) => {
  const { pool, folder } = await inspecting(t, { jobs: 1, queueMax: 1 });
  const path = endless(folder);
  const taken = [pool.inspect(path, call()), pool.inspect(path, call())];
  await assert.rejects(pool.inspect(path, call()), { code: 'overloaded' });
  await pool.close();
  for (const refused of await Promise.allSettled(taken)) assert.equal(refused.status, 'rejected');
});

test('the process ends when it has nothing to do, and starts again', {
  skip: noProc,
}, async (t) => {
  const { pool, inspect } = await inspecting(t, { idleMs: 1 });
  const before = children();
  const bytes = await image('gif');
  await inspect(bytes);
  await until(() => !pool.load.running && children().length === before.length);
  assert.equal((await inspect(bytes)).facts.width, 320);
});

test('a file that is not there is a fault of the service, not of the image', async (t) => {
  const { pool, folder } = await inspecting(t);
  await assert.rejects(pool.inspect(join(folder, 'absent'), call()), { code: 'internal' });
});

test('an idle process does not keep its parent alive, nor outlives it', {
  skip: noProc,
}, async (t) => {
  const { keep } = await inspecting(t);
  const path = await keep(await image('webp'));
  const pool = new URL('../../src/media/decoder-pool.ts', import.meta.url);
  const program = `
    import { readFileSync } from 'node:fs';
    import { DecoderPool } from ${JSON.stringify(pool.href)};
    const call = { signal: new AbortController().signal, deadline: Date.now() + 60_000 };
    await new DecoderPool().inspect(${JSON.stringify(path)}, call);
    process.stdout.write(readFileSync(\`/proc/self/task/\${process.pid}/children\`, 'latin1'));`;
  const child = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'latin1',
  });
  assert.match(child, /^\d+ $/);
  await until(() => !existsSync(`/proc/${child.trim()}`));
});

test('a closed pool takes nothing more', async () => {
  const pool = new DecoderPool();
  await pool.close();
  await assert.rejects(pool.inspect('/', call()), { code: 'overloaded' });
});
