import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ServiceError } from '../../src/contract/errors.ts';
import { CONTENT_MAX_BYTES } from '../../src/contract/limits.ts';
import { DecoderPool } from '../../src/media/decoder-pool.ts';
import type { ImageFacts, Inspector } from '../../src/media/inspector.ts';
import { Intake, type Staged } from '../../src/storage-service/intake.ts';
import { HOSTILE, ODD_BUT_TAKEN } from '../fixtures/hostile.ts';
import { image, picture } from '../fixtures/images.ts';
import { LOCATED, tellsPlace, UNLOCATED } from '../fixtures/located.ts';
import { chunks, temporaryFolder, writeCall } from './opening.ts';

/** An intake over an empty folder; what passed is known from then on. */
async function setUp(t: TestContext, edit?: Inspector['inspect']) {
  const folder = await temporaryFolder(t);
  const pool = new DecoderPool();
  t.after(() => pool.close());
  const inspected: string[] = [];
  const known = new Map<string, ImageFacts>();
  const inspector: Inspector = {
    inspect: (path, call) => {
      inspected.push(path);
      return edit ? edit(path, call) : pool.inspect(path, call);
    },
    close: () => pool.close(),
  };
  const intake = new Intake(folder, inspector, async (sha256) => known.get(sha256));
  const take = (bytes: AsyncIterable<Uint8Array>, signal = writeCall().signal) =>
    intake.take(bytes, { ...writeCall(), signal }, async (staged) => {
      known.set(staged.sha256, staged.facts);
      return { staged, kept: await readFile(staged.path) };
    });
  const left = () => readdir(folder);
  return { folder, intake, inspected, take, left };
}

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('every format is taken bit for bit, in chunks of any size, and leaves no file', async (t) => {
  const { take, left } = await setUp(t);
  for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
    const bytes = await image(format);
    for (const size of [1, 7, 4_096, bytes.length]) {
      const { staged, kept } = await take(chunks(bytes, size));
      assert.deepEqual(kept, bytes);
      assert.equal(staged.sha256, sha256Of(bytes));
      assert.equal(staged.size_bytes, bytes.length);
      assert.equal(staged.source_sha256, staged.sha256);
      assert.equal(staged.facts.media_type, `image/${format}`);
    }
  }
  assert.deepEqual(await left(), []);
});

test('a file on its way into the store carries its hash in its name; one that fails leaves it', async (t) => {
  const { folder, intake, left } = await setUp(t);
  const bytes = await image('png');
  const sha256 = sha256Of(bytes);
  await intake.take(chunks(bytes), writeCall(), async ({ path }) => {
    const [name, ...others] = await left();
    assert.deepEqual(others, []);
    assert.equal(path, join(folder, name!));
    assert.match(name!, new RegExp(`^[0-9a-f-]{36}\\.${sha256}$`));
  });

  // As a process that died leaves it: the store is asked to settle that hash before the file goes.
  await writeFile(join(folder, `${randomUUID()}.${sha256}`), bytes);
  const settled: [string, number][] = [];
  await intake.recover(async (found) => settled.push([found, (await left()).length]));
  assert.deepEqual(settled, [[sha256, 1]]);
  assert.deepEqual(await left(), []);
});

test('location data is removed; the rest and both hashes tell the truth', async (t) => {
  const { take, left } = await setUp(t);
  for (const { name, bytes } of LOCATED) {
    const sent = await bytes();
    const { staged, kept } = await take(chunks(sent));
    assert.equal(tellsPlace(kept), false, name);
    assert.notEqual(staged.sha256, staged.source_sha256, name);
    assert.equal(staged.sha256, sha256Of(kept), name);
    assert.equal(staged.size_bytes, kept.length, name);
    assert.equal(staged.source_sha256, sha256Of(sent), name);
    assert.equal(staged.source_size_bytes, sent.length, name);
  }
  for (const { name, bytes } of UNLOCATED) {
    const sent = await bytes();
    assert.deepEqual((await take(chunks(sent))).kept, sent, name);
  }
  assert.deepEqual(await left(), []);
});

test('equal bytes are inspected once', async (t) => {
  const { take, inspected } = await setUp(t);
  const bytes = await image('png');
  const first = await take(chunks(bytes));
  const second = await take(chunks(bytes));
  assert.equal(inspected.length, 1);
  assert.deepEqual(second.staged.facts, first.staged.facts);

  const located = await LOCATED[0]!.bytes();
  await take(chunks(located));
  await take(chunks(located));
  assert.equal(inspected.length, 4, 'what is served of a located file is inspected once');
});

test('a file that shows ever more location data is refused', async (t) => {
  const facts: ImageFacts = {
    media_type: 'image/png',
    width: 1,
    height: 1,
    pages: 1,
    placeholder: '',
    palette: [],
  };
  const cut = { offset: 100, length: 1, replacement: new Uint8Array() };
  const { take, left } = await setUp(t, async () => ({ facts, edits: [cut] }));
  await assert.rejects(take(chunks(await image('png'))), { code: 'image_unreadable' });
  assert.deepEqual(await left(), []);
});

test('what an image can have the most is taken, one byte more is not', async (t) => {
  const { take, left } = await setUp(t);
  const bytes = await image('jpeg');
  const padded = Buffer.concat([bytes, Buffer.alloc(CONTENT_MAX_BYTES - bytes.length)]);
  const { staged } = await take(chunks(padded, 1_000_000));
  assert.equal(staged.size_bytes, CONTENT_MAX_BYTES);
  const over = Buffer.concat([padded, Buffer.alloc(1)]);
  await assert.rejects(take(chunks(over, 1_000_000)), { code: 'content_too_large' });
  assert.deepEqual(await left(), []);
});

test('every hostile file is refused and leaves no file', async (t) => {
  const { take, left } = await setUp(t);
  for (const { name, bytes, expected } of HOSTILE) {
    const refused = take(chunks(await bytes(), 100_000));
    await assert.rejects(refused, ({ code }) => (expected as string[]).includes(code), name);
    assert.deepEqual(await left(), [], name);
  }
  for (const { name, bytes, mediaType } of ODD_BUT_TAKEN) {
    const sent = await bytes();
    const { staged, kept } = await take(chunks(sent));
    assert.equal(staged.facts.media_type, mediaType, name);
    assert.deepEqual(kept, sent, name);
  }
});

test('what is of no format that is taken is refused before it has all come', async (t) => {
  const { take, left } = await setUp(t);
  let sent = 0;
  const endless = (async function* () {
    for (;;) {
      sent += 1;
      yield Buffer.from('<svg xmlns="http://www.w3.org/2000/svg">');
    }
  })();
  await assert.rejects(take(endless), { code: 'unsupported_media_type' });
  assert.ok(sent < 20, `${sent} chunks were taken`);
  assert.deepEqual(await left(), []);
});

test('a stream that breaks off, and a caller who gives up, leave no file', async (t) => {
  const { take, left } = await setUp(t);
  const bytes = await picture({ width: 800, height: 600, blur: 0 }).png().toBuffer();
  const broken = (async function* () {
    yield* chunks(bytes.subarray(0, 700_000));
    throw new Error('the client went away');
  })();
  await assert.rejects(take(broken), (error: ServiceError) => {
    assert.equal(error.code, 'internal');
    assert.match(String(error.cause), /the client went away/);
    return true;
  });
  const givingUp = new AbortController();
  const reason = new ServiceError('request_timeout', 'The client has gone.');
  const half = (async function* () {
    yield* chunks(bytes.subarray(0, 700_000));
    givingUp.abort(reason);
    yield* chunks(bytes.subarray(700_000));
  })();
  await assert.rejects(take(half, givingUp.signal), reason);
  assert.deepEqual(await left(), []);
});

test('when the blob cannot be kept, its file goes too', async (t) => {
  const { intake, left } = await setUp(t);
  const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
  const taking = intake.take(chunks(await image('gif')), writeCall(), async () => {
    throw full;
  });
  await assert.rejects(taking, { code: 'storage_full', cause: full });
  assert.deepEqual(await left(), []);
});

test('the blob that a dead process was storing is settled before its file goes', async (t) => {
  const { folder, intake, left } = await setUp(t);
  const sha256 = 'ab'.repeat(32);
  for (const end of ['', '.clean', `.${sha256}`]) {
    await writeFile(join(folder, `${randomUUID()}${end}`), 'x');
  }
  const settled: string[] = [];
  await intake.recover(async (found) => {
    settled.push(found);
    assert.ok((await left()).some((name) => name.endsWith(found)));
  });
  assert.deepEqual(settled, [sha256]);
  assert.deepEqual(await left(), []);
});

test('what other programs put beside the uploads stays, and keeps nothing else from going', async (t) => {
  const { folder, intake, left } = await setUp(t);
  const foreign = ['.DS_Store', '@eaDir', 'loop', 'lost+found', randomUUID()].sort();
  await mkdir(join(folder, '@eaDir'));
  await mkdir(join(folder, 'lost+found'));
  await mkdir(join(folder, foreign.find((name) => name.length === 36)!));
  await writeFile(join(folder, '.DS_Store'), 'x');
  await symlink('loop', join(folder, 'loop'));
  const failing = `00000000-${randomUUID().slice(9)}.${'cd'.repeat(32)}`;
  for (const name of [failing, `${randomUUID()}.clean`, `${randomUUID()}.${'ab'.repeat(32)}`]) {
    await writeFile(join(folder, name), 'x');
  }
  const settle = async (found: string) => {
    if (failing.endsWith(found)) throw new Error('cannot be settled');
  };
  await assert.rejects(intake.recover(settle), /cannot be settled/);
  assert.deepEqual((await left()).sort(), [...foreign, failing].sort());
  assert.deepEqual((await intake.recover(async () => {})).sort(), foreign);
  assert.deepEqual((await left()).sort(), foreign);
});

test('what is passing through is not taken for left over', async (t) => {
  const { intake, left } = await setUp(t);
  const bytes = await image('png');
  const recover = () => intake.recover(async () => assert.fail('nothing is to be settled'));
  const slowly = (async function* () {
    for await (const chunk of chunks(bytes, 50_000)) {
      yield chunk;
      await recover();
    }
  })();
  const kept = await intake.take(slowly, writeCall(), async ({ path }: Staged) => {
    await recover();
    return readFile(path);
  });
  assert.deepEqual(kept, bytes);
  assert.deepEqual(await left(), []);
});
