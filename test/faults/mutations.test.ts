import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Image } from '../../src/contract/image.ts';
import { animation, apng, image } from '../fixtures/images.ts';
import { LOCATED } from '../fixtures/located.ts';
import { form, REQUIRED } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf, eventually } from '../services/data-folder.ts';
import { runVerify, ServiceProcess } from '../services/service-process.ts';
import { mutated } from './mutate.ts';
import { type Chance, countFrom, seeded } from './seeded.ts';

const MUTATIONS = countFrom('MUTATIONS', 1_000);
const SEED = countFrom('SEED', Date.now() % 1_000_000);
/** A glob of real images to begin with, instead of made ones. */
const IMAGES = process.env.IMAGES;
const AT_ONCE = 8;
/** Buffers and compiled code of a busy service; a leak of one in ten mutations would show. */
const GROWTH_MAX_BYTES = 100 * 1024 * 1024;
const REFUSED = new Set([
  '415 unsupported_media_type',
  '422 image_unreadable',
  '422 image_too_large',
  '422 too_many_frames',
]);

test(`${MUTATIONS} mutated images are taken or refused, and leave nothing (SEED=${SEED})`, {
  timeout: 60_000 + MUTATIONS * 500,
}, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'mutated-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const service = new ServiceProcess(dataDir);
  t.after(() => service.kill());
  const url = await service.ready;
  const chance = seeded(SEED);
  const seeds = await seedImages(chance);

  const answers = new Map<string, number>();
  const taken: Image[] = [];
  let number = 0;
  const worker = async (end: number) => {
    while (number < end) {
      const which = `mutation ${++number} of SEED=${SEED}`;
      // Drawn in order, whoever's turn it is, so that the same seed gives the same mutations.
      const bytes = mutated(chance.of(seeds), seeds, chance);
      const answer = await send(url, bytes).catch((cause) => {
        throw new Error(`${which}: ${cause}`, { cause });
      });
      if (typeof answer !== 'string') taken.push(answer);
      const what = typeof answer === 'string' ? answer : '201';
      answers.set(what, (answers.get(what) ?? 0) + 1);
    }
  };
  const sendUpTo = (end: number) => Promise.all(Array.from({ length: AT_ONCE }, () => worker(end)));
  // The first ones start the decoder and fill what is kept in memory.
  await sendUpTo(MUTATIONS / 4);
  const before = residentBytes(service.pid);
  await sendUpTo(MUTATIONS);

  for (const what of answers.keys()) assert.ok(what === '201' || REFUSED.has(what), what);
  await eventually(() => assertNothingLeftOver(dataDir));
  const { images, leases } = await contentsOf(dataDir);
  assert.deepEqual([images.length, leases.length], [taken.length, 0]);
  await assertDelivered(url, taken);
  const grown = residentBytes(service.pid) - before;
  assert.ok(grown < GROWTH_MAX_BYTES, `the service grew by ${grown} bytes`);
  assert.equal(await service.stop(), 0);
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 0, output);
  t.diagnostic(
    `${[...answers].map((pair) => pair.join(': ')).join(', ')}; grown ${grown >> 20} MiB`,
  );
});

/** The image, or why it was refused. What is asked to come again comes again. */
async function send(url: string, bytes: Buffer): Promise<Image | string> {
  for (;;) {
    const body = form(['image', bytes], ...REQUIRED);
    const response = await fetch(`${url}/api/v2/images`, { method: 'POST', body });
    const answer = (await response.json()) as Image & { code: string; detail: string };
    if (response.status === 201) {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      assert.equal(answer.content.source_sha256, sha256);
      return answer;
    }
    const retryAfter = response.headers.get('retry-after');
    if (answer.code === 'overloaded' && retryAfter) await sleep(Number(retryAfter) * 1_000);
    else {
      const { status } = response;
      assert.ok(status < 500, `${status} ${answer.code}: ${answer.detail}`);
      return `${status} ${answer.code}`;
    }
  }
}

async function assertDelivered(url: string, images: readonly Image[]): Promise<void> {
  for (const { id, content } of images) {
    const response = await fetch(url + content.url);
    const bytes = Buffer.from(await response.arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), content.sha256, id);
    assert.equal(response.headers.get('content-type'), content.media_type);
  }
}

async function seedImages(chance: Chance): Promise<Buffer[]> {
  if (IMAGES) {
    const paths = globSync(IMAGES);
    return Array.from({ length: 200 }, () => readFileSync(chance.of(paths)));
  }
  const options = { width: 96, height: 72 };
  return Promise.all([
    ...(['png', 'jpeg', 'webp', 'gif', 'avif'] as const).map((format) => image(format, options)),
    animation('gif'),
    animation('webp'),
    apng(5),
    ...LOCATED.slice(0, 8).map((file) => file.bytes()),
  ]);
}

/** 0 where there is no /proc. */
function residentBytes(pid: number): number {
  const path = `/proc/${pid}/status`;
  const status = existsSync(path) ? readFileSync(path, 'latin1') : '';
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}
