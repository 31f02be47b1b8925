import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { LOCATED } from '../fixtures/located.ts';
import { assertNothingLeftOver, contentsOf } from '../services/data-folder.ts';
import { runVerify, ServiceProcess } from '../services/service-process.ts';
import { ClientOfRecord } from './client-of-record.ts';
import { type Chance, countFrom, seeded } from './seeded.ts';

const KILLS = countFrom('KILLS', 24);
const SEED = countFrom('SEED', Date.now() % 1_000_000);
const WORKERS = 6;
/** The service starts in half a second, and its first decode takes as long again. */
const KILL_AFTER_START_MAX_MS = 700;
const KILL_AFTER_READY_MAX_MS = 500;

test(`killed ${KILLS} times during uploads, it keeps all that it answered (SEED=${SEED})`, {
  timeout: 60_000 + KILLS * 10_000,
}, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'killed-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const chance = seeded(SEED);
  const client = new ClientOfRecord();
  const known = await Promise.all([
    ...LOCATED.slice(0, 5).map((file) => file.bytes()),
    noise(chance, 800),
  ]);
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const service = new ServiceProcess(dataDir);
    t.after(() => service.kill());
    if (chance.oneIn(6)) {
      await sleep(chance.below(KILL_AFTER_START_MAX_MS));
    } else {
      const url = await service.ready;
      await assertNothingLeftOver(dataDir);
      const worker = () => untilKilled(work(client, url, chance, known));
      const workers = Array.from({ length: WORKERS }, worker);
      await sleep(chance.below(KILL_AFTER_READY_MAX_MS));
      await Promise.all([service.kill(), ...workers]);
    }
    await service.kill();
  }

  const service = new ServiceProcess(dataDir);
  t.after(() => service.kill());
  const url = await service.ready;
  await assertNothingLeftOver(dataDir);
  await client.repeat(url);
  await client.check(url);
  assert.equal(await service.stop(), 0);
  const { images } = await contentsOf(dataDir);
  assert.deepEqual(images.sort(), [...client.promised.keys()].sort());
  await assertNothingLeftOver(dataDir);
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 0, output);
  t.diagnostic(output);
});

/** Changes images until the service is gone, whose death rejects a request. */
async function work(
  client: ClientOfRecord,
  url: string,
  chance: Chance,
  known: Buffer[],
): Promise<never> {
  if (chance.oneIn(3)) await client.repeat(url);
  for (;;) {
    const what = chance.below(20);
    if (what < 3) await client.refused(url, await noise(chance, 48));
    else if (what < 8) await client.upload(url, chance.of(known));
    else {
      const { id } = await client.upload(url, await noise(chance, 32 + chance.below(200)));
      if (what < 11) await client.replace(url, id, await noise(chance, 64));
      if (what < 13) await client.delete(url, id);
    }
  }
}

/** The death of the service rejects in many ways; what it answered wrong is an AssertionError. */
async function untilKilled(worker: Promise<never>): Promise<void> {
  await worker.catch((error) => {
    if (error instanceof assert.AssertionError) throw error;
  });
}

/** No two are equal. */
function noise(chance: Chance, side: number): Promise<Buffer> {
  const pixels = Buffer.from(Array.from({ length: side * side * 3 }, () => chance.below(256)));
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}
