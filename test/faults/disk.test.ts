import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Image } from '../../src/contract/image.ts';
import { FileBlobStore } from '../../src/storage-service/blobs/file-blob-store.ts';
import { form, png, REQUIRED } from '../services/api.ts';
import { assertNothingLeftOver, contentsOf, eventually } from '../services/data-folder.ts';
import { runVerify, ServiceProcess } from '../services/service-process.ts';
import { opening, writeCall } from '../storage-service/opening.ts';
import { cannotMount, ext4, fill, reserve, tmpfs } from './mounted.ts';

const options = { skip: cannotMount(), timeout: 120_000 };
const SIZE = 'size=20m';
/** Each is about 350 KB: some fifty fill the disk. */
const SIDE_PIXELS = 340;

test(
  'a full disk refuses changes, keeps what it has, and works again with room',
  options,
  async (t) => {
    const service = await start(t, tmpfs(t, SIZE));
    const changing = await taking(service);
    const room = await reserve(service.dataDir);
    const taken = await uploadUntilRefused(service);
    assert.ok(taken.length > 20, `${taken.length} images of 350 KB in 18 MB`);
    const filler = await fill(service.dataDir);
    await assertReadable(service, taken);
    await assertChangesRefused(service, changing);
    const health = await (await fetch(`${service.url}/health`)).text();
    assert.match(health, /"status":"degraded".*"reason":"storage_full"/);
    assert.equal(await storageHealth(service), 'unhealthy');
    assert.equal(await readiness(service), 200, 'it still reads');
    await Promise.all([filler.empty(), room.empty()]);
    await assertWorks(service, taken);
  },
);

test('a disk that fills up at any step of an upload leaves nothing of it', options, async (t) => {
  const service = await start(t, tmpfs(t, SIZE));
  const changing = await taking(service);
  const taken = [await taking(service)];
  for (let kilobytes = 0; kilobytes <= 640; kilobytes += 32) {
    const filler = await fill(service.dataDir, kilobytes * 1024);
    const [image] = await Promise.all([
      upload(service, await png(SIDE_PIXELS, SIDE_PIXELS)),
      change(service, changing),
    ]);
    if (image) taken.push(image);
    await filler.empty();
    await eventually(() => assertNothingLeftOver(service.dataDir));
  }
  assert.ok(taken.length > 1 && taken.length < 20, `${taken.length} were taken`);
  await assertWorks(service, taken);
});

test('a service that died on a full disk starts on it, and delivers', options, async (t) => {
  const dataDir = tmpfs(t, SIZE);
  const first = await start(t, dataDir);
  const changing = await taking(first);
  const taken = [await taking(first), await taking(first)];
  const filled = await fill(dataDir, 2_000_000);
  await filled.empty();
  await unfinishedUpload(first);
  await first.process.kill();
  const filler = await fill(dataDir);
  const second = await start(t, dataDir);
  await assertReadable(second, taken);
  await assertChangesRefused(second, changing);
  await filler.empty();
  await assertWorks(second, taken);
});

test(
  'a disk without inodes refuses what needs one, and works again when it has some',
  options,
  async (t) => {
    const service = await start(t, tmpfs(t, `${SIZE},nr_inodes=100`));
    const taken = [await taking(service)];
    const folder = join(service.dataDir, 'filler');
    await mkdir(folder);
    const names = Array.from({ length: 100 }, (_, n) => join(folder, `${n}`));
    const filled = await Promise.allSettled(names.map((name) => writeFile(name, '')));
    assert.ok(filled.some(({ status }) => status === 'rejected'));
    let refusals = 0;
    // The same bytes each time: others would need a folder more.
    const bytes = await png();
    for (const name of names.slice(0, 8)) {
      const image = await upload(service, bytes);
      if (image) taken.push(image);
      else refusals += 1;
      await assertReadable(service, taken);
      await eventually(() => assertNothingLeftOver(service.dataDir));
      await rm(name, { force: true });
    }
    assert.ok(refusals > 0 && taken.length > 1, `${refusals} refused, ${taken.length} taken`);
    await rm(folder, { recursive: true });
    await assertWorks(service, taken);
  },
);

test(
  'a disk that turns read-only refuses changes, delivers, and loses nothing',
  options,
  async (t) => {
    const disk = ext4(t, 24);
    const dataDir = join(disk.folder, 'data');
    const first = await start(t, dataDir);
    const changing = await taking(first);
    const taken = [await taking(first)];
    const uploads = uploadUntilRefused(first, taken);
    await eventually(() => assert.ok(taken.length >= 4));
    assert.equal(await storageHealth(first), 'healthy');
    // What is synced while the journal aborts, Linux may call synced and yet lose.
    const durable = [...taken];
    disk.fail();
    await uploads;
    await assertReadable(first, taken);
    await assertChangesRefused(first, changing);
    assert.equal(await storageHealth(first), 'unhealthy');
    assert.equal(await readiness(first), 200, 'it still reads');
    await first.process.kill();

    const refused = new ServiceProcess(dataDir);
    t.after(() => refused.kill());
    assert.equal(await refused.exit, 1);
    assert.match(refused.stderr, /DATA_DIR=.*cannot be written \(EROFS\)\. Name a folder/m);

    disk.restore();
    const second = await start(t, dataDir);
    await assertNothingLeftOver(dataDir);
    await assertWorks(second, durable);
  },
);

test('a folder of blobs that cannot be written is storage that is away', options, async (t) => {
  const blobs = tmpfs(t, 'ro');
  const store = new FileBlobStore(blobs);
  const putting = store.put('ab'.repeat(32), fileURLToPath(import.meta.url), 1);
  await assert.rejects(putting, { code: 'storage_unavailable' });
});

test(
  'a ping of a store that cannot write tells why, and one that cannot read fails',
  options,
  async (t) => {
    const dataDir = tmpfs(t, SIZE);
    const { store, create } = await opening(t, dataDir);
    await create();
    const filler = await fill(dataDir);
    const { degraded } = await store.ping(writeCall());
    assert.equal(degraded?.code, 'storage_full');
    assert.match(degraded.message, /full/);
    await filler.empty();
    assert.deepEqual(Object.keys(await store.ping(writeCall())), ['version']);
    await rename(join(dataDir, 'blobs'), join(dataDir, 'gone'));
    await assert.rejects(store.ping(writeCall()), { code: 'storage_unavailable' });
  },
);

type Service = { url: string; dataDir: string; process: ServiceProcess };
type Sent = { image: Image; sha256: string };

async function start(t: TestContext, dataDir: string): Promise<Service> {
  const process = new ServiceProcess(dataDir, { SWEEP_SECONDS: '1', DELIVERY_CACHE_MB: '0' });
  t.after(() => process.kill());
  return { process, dataDir, url: await process.ready };
}

/** The image; undefined when it was refused as it should be. */
async function upload({ url }: Service, bytes: Buffer): Promise<Sent | undefined> {
  const body = form(['image', bytes], ...REQUIRED);
  const response = await fetch(`${url}/api/v2/images`, { method: 'POST', body });
  if (response.status !== 201) return assertRefused(response);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { image: (await response.json()) as Image, sha256 };
}

/** A file that was taken, of a form whose end never comes. */
async function unfinishedUpload({ url, dataDir }: Service): Promise<void> {
  const head = '--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n';
  const next = '\r\n--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nMira';
  const bytes = await png();
  const body = (async function* () {
    yield Buffer.concat([Buffer.from(head), bytes, Buffer.from(next)]);
    await new Promise(() => {});
  })();
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const init = { method: 'POST', headers, body, duplex: 'half' } as unknown as RequestInit;
  void fetch(`${url}/api/v2/images`, init).catch(() => {});
  await eventually(async () => assert.equal((await contentsOf(dataDir)).leases.length, 1));
}

async function taking(service: Service): Promise<Sent> {
  const sent = await upload(service, await png(SIDE_PIXELS, SIDE_PIXELS));
  assert.ok(sent, 'an upload was refused');
  return sent;
}

/** Four at once; each ends with its first refusal. */
async function uploadUntilRefused(service: Service, taken: Sent[] = []): Promise<Sent[]> {
  const worker = async () => {
    for (;;) {
      const sent = await upload(service, await png(SIDE_PIXELS, SIDE_PIXELS));
      if (!sent) return;
      taken.push(sent);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return taken;
}

/** Changes text and content. How many of the two were refused, as they should be. */
async function change({ url }: Service, { image }: Sent): Promise<number> {
  const address = `${url}/api/v2/images/${image.id}`;
  const patch = { description: 'd'.repeat(4_000), attributes: { a: 'x'.repeat(15_000) } };
  const json = { 'content-type': 'application/json' };
  const answers = [
    await fetch(address, { method: 'PATCH', headers: json, body: JSON.stringify(patch) }),
    await fetch(`${address}/content`, {
      method: 'PUT',
      headers: { 'content-type': 'image/png' },
      body: await png(99, 99),
    }),
  ];
  let refusals = 0;
  for (const response of answers) {
    if (response.status === 200) await response.body?.cancel();
    else {
      await assertRefused(response);
      refusals += 1;
    }
  }
  return refusals;
}

/** The log of SQLite may have room within for a few changes more. */
async function assertChangesRefused(service: Service, image: Sent): Promise<void> {
  let refusals = 0;
  for (let attempt = 0; attempt < 20 && refusals < 2; attempt += 1) {
    refusals = await change(service, image);
  }
  assert.equal(refusals, 2, 'changes were taken, though there is no room');
}

async function assertRefused(response: Response): Promise<undefined> {
  const problem = (await response.json()) as { code: string; detail: string };
  const answer = `${response.status} ${problem.code}`;
  assert.match(answer, /^(507 storage_full|503 storage_unavailable)$/, problem.detail);
  assert.match(response.headers.get('content-type')!, /^application\/problem\+json/);
  assert.doesNotMatch(problem.detail, /\/|E[A-Z]{4}|sqlite/i);
}

async function assertReadable({ url }: Service, sent: readonly Sent[]): Promise<void> {
  for (const { image, sha256 } of sent) {
    const response = await fetch(url + image.content.url);
    const bytes = Buffer.from(await response.arrayBuffer());
    assert.equal(response.status, 200, bytes.toString());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  }
  const list = await fetch(`${url}/api/v2/images?limit=200`);
  const { items } = (await list.json()) as { items: Image[] };
  const listed = new Set(items.map(({ id }) => id));
  assert.ok(sent.every(({ image }) => listed.has(image.id)));
}

async function storageHealth({ url }: Service): Promise<string> {
  const body = (await (await fetch(`${url}/health`)).json()) as {
    dependencies: { storage: { status: string } };
  };
  return body.dependencies.storage.status;
}

async function readiness({ url }: Service): Promise<number> {
  const response = await fetch(`${url}/health/ready`);
  await response.body?.cancel();
  return response.status;
}

/** All is there, changes are taken, nothing is left over, and `verify` agrees. */
async function assertWorks(service: Service, taken: readonly Sent[]): Promise<void> {
  const { process, dataDir } = service;
  assert.equal(await storageHealth(service), 'healthy');
  const last = await taking(service);
  assert.equal(await change(service, last), 0);
  await assertReadable(service, taken);
  await eventually(() => assertNothingLeftOver(dataDir));
  assert.equal(await process.stop(), 0);
  const { code, output } = await runVerify(dataDir);
  assert.equal(code, 0, output);
  await assertNothingLeftOver(dataDir);
}
