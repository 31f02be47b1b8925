import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { deflateSync } from 'node:zlib';
import { IMAGE_MAX_PIXELS } from '../../src/contract/limits.ts';
import { DECODER_DEFAULTS, DecoderPool, furtherIdleMs } from '../../src/media/decoder-pool.ts';
import { image, largeMap, PNG_SIGNATURE, pngChunk, pngHeader } from '../fixtures/images.ts';
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

/** Quick to make, and more than half a second of processor time to decode. */
function demanding(): Buffer {
  const [side, pixels] = [12_000, deflateSync(Buffer.alloc(1_501 * 12_000), { level: 1 })];
  return Buffer.concat([
    PNG_SIGNATURE,
    pngHeader(side, side, 1, 0),
    pngChunk('IDAT', pixels),
    pngChunk('IEND'),
  ]);
}

/** Does something to each new child of this process that is seen while `condition` holds. */
function eachChild(t: TestContext, act: (pid: number) => void, condition = () => true): void {
  const seen = new Set(children());
  const watching = new AbortController();
  t.after(() => watching.abort());
  void until(() => {
    if (condition()) {
      for (const pid of children().filter((pid) => !seen.has(pid))) {
        seen.add(pid);
        act(pid);
      }
    }
    return watching.signal.aborted;
  });
}

test('a decode that waits without end is given up as no fault of the image, others go on', async (t) => {
  const { pool, folder, keep } = await inspecting(t, { stallMaxMs: 1_000 });
  const good = await keep(await image('png'));
  const hung = pool.inspect(endless(folder), call());
  const beside = pool.inspect(good, call());
  await assert.rejects(hung, { code: 'overloaded', message: /Try again later/ });
  assert.equal((await beside).facts.width, 320);
  assert.equal((await pool.inspect(good, call())).facts.width, 320);
});

test('a step is ended by the clock too, should it get next to no processor time', async (t) => {
  const { pool, folder } = await inspecting(t, { stepMaxMs: 300 });
  await assert.rejects(pool.inspect(endless(folder), call()), { code: 'overloaded' });
});

test('an image that takes too much processor time is refused, and others go on', async (t) => {
  const { pool, keep } = await inspecting(t, { stepCpuMaxMs: 150 });
  const [good, bomb] = [await keep(await image('png')), await keep(demanding())];
  const refused = pool.inspect(bomb, call());
  const beside = pool.inspect(good, call());
  await assert.rejects(refused, { code: 'image_unreadable', message: /0.15 seconds of processor/ });
  assert.equal((await beside).facts.width, 320);
});

test('a good image survives a decoder that stands still', { skip: noProc }, async (t) => {
  const { pool, keep } = await inspecting(t, { stallMaxMs: 1_000 });
  const path = await keep(await image('png'));
  const before = children();
  await pool.inspect(path, call());
  const [stopped] = children().filter((pid) => !before.includes(pid));
  process.kill(stopped!, 'SIGSTOP');
  assert.equal((await pool.inspect(path, call())).facts.width, 320);
  assert.equal(children().includes(stopped!), false, 'the stopped process is gone');
});

test('when every decoder stands still the image is not to blame', { skip: noProc }, async (t) => {
  const { pool, keep } = await inspecting(t, { stallMaxMs: 300 });
  const path = await keep(await image('png'));
  eachChild(t, (pid) => process.kill(pid, 'SIGSTOP'));
  await assert.rejects(pool.inspect(path, call()), {
    code: 'overloaded',
    message: /too little processor time/,
  });
});

test('a pause of the whole service does not count as a stalled decoder', {
  skip: noProc,
}, async (t) => {
  const { pool, keep } = await inspecting(t, { stallMaxMs: 1_000 });
  const path = await keep(demanding());
  const before = children();
  const inspection = pool.inspect(path, call());
  await until(() => pool.load.pixels > 0);
  const [child] = children().filter((pid) => !before.includes(pid));
  process.kill(child!, 'SIGSTOP');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  process.kill(child!, 'SIGCONT');
  await inspection;
  assert.ok(children().includes(child!), 'the process was not replaced');
});

test('a decoder that somebody else kills says nothing about the image', {
  skip: noProc,
}, async (t) => {
  const { pool, keep } = await inspecting(t);
  const path = await keep(demanding());
  const kill = (pid: number) => process.kill(pid, 'SIGKILL');
  eachChild(t, kill, () => pool.load.pixels > 0);
  await assert.rejects(pool.inspect(path, call()), { code: 'overloaded', message: /memory/ });
});

test('an image that crashes the decoder twice is refused', { skip: noProc }, async (t) => {
  const { pool, keep } = await inspecting(t);
  const path = await keep(demanding());
  const crash = (pid: number) => process.kill(pid, 'SIGSEGV');
  eachChild(t, crash, () => pool.load.pixels > 0);
  await assert.rejects(pool.inspect(path, call()), {
    code: 'image_unreadable',
    message: /crashes the decoder/,
  });
});

test('a decoder that cannot be started says nothing about the image', async (t) => {
  const { pool, keep } = await inspecting(t);
  const path = await keep(await image('png'));
  const unavailable = { code: 'storage_unavailable', message: /cannot be started/ };
  const { execPath } = process;
  process.execPath = '/nowhere/node';
  await assert.rejects(pool.inspect(path, call()), unavailable).finally(() => {
    process.execPath = execPath;
  });
  process.env.NODE_OPTIONS = '--no-such-option';
  await assert.rejects(pool.inspect(path, call()), unavailable).finally(() => {
    delete process.env.NODE_OPTIONS;
  });
  assert.equal((await pool.inspect(path, call())).facts.width, 320);
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

test('the process stays for twice the last pause, within bounds, unless it holds much', () => {
  const options = { ...DECODER_DEFAULTS, idleMs: 30, warmMaxMs: 900, warmMaxBytes: 100 };
  const stays = (lastPauseMs: number, heldBytes = 100) =>
    options.idleMs + furtherIdleMs(lastPauseMs, heldBytes, options);
  assert.deepEqual(
    [0, 15, 40, 450, 100_000].map((pause) => stays(pause)),
    [30, 30, 80, 900, 900],
  );
  assert.equal(stays(40, 101), 30);
});

test('the process starts while a file is still on its way', { skip: noProc }, async (t) => {
  const { pool, inspect } = await inspecting(t);
  // Those of earlier tests may still be ending.
  const before = new Set(children());
  const started = () => children().filter((pid) => !before.has(pid));
  pool.prepare();
  pool.prepare();
  const [first, ...others] = started();
  assert.deepEqual([first !== undefined, others], [true, []]);
  await inspect(await image('gif'));
  assert.deepEqual(started(), [first]);
  await pool.close();
  pool.prepare();
  assert.equal(pool.load.running, false);
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
