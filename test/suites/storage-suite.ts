import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import type { Image, ImagePatch } from '../../src/contract/image.ts';
import { CONTENT_MAX_BYTES } from '../../src/contract/limits.ts';
import type {
  ContentClaim,
  CreateImage,
  ImageEvent,
  ImageEvents,
  Storage,
  WriteCall,
} from '../../src/contract/storage.ts';
import { HOSTILE } from '../fixtures/hostile.ts';

/** What every Storage does. `open` gives an empty one; the suite closes none. */
export function storageSuite(name: string, open: () => Promise<Storage & ImageEvents>): void {
  describe(`${name} as a Storage`, () => {
    let storage: Storage & ImageEvents;
    before(async () => {
      storage = await open();
    });

    const accept = (bytes: Uint8Array, call: WriteCall, filename: string | null = 'a.png') =>
      storage.acceptContent(chunks(bytes), { filename }, call);
    const create = async (fields: Partial<CreateImage> = {}, bytes?: Uint8Array) => {
      const write = writeCall();
      const claim = await accept(bytes ?? (await png()), write);
      return (await storage.createImage(fieldsOf(fields), claim, write)).value;
    };
    const bytesOf = async (sha256: string, first?: number, last?: number) => {
      const range = first === undefined ? null : { first, last: last! };
      const { bytes } = await storage.getContent(sha256, range, writeCall());
      return Buffer.concat(await Array.fromAsync(bytes));
    };

    test('an image goes in, and comes out byte for byte', async () => {
      const bytes = await png({ width: 120, height: 80 });
      const image = await create({ name: 'Whole' }, bytes);
      assert.deepEqual(await storage.getImage(image.id, writeCall()), image);
      assert.deepEqual(await bytesOf(image.content.sha256), bytes);
      const { content } = image;
      assert.equal(content.sha256, createHash('sha256').update(bytes).digest('hex'));
      assert.equal(content.source_sha256, content.sha256);
      assert.deepEqual([content.width, content.height, content.pages], [120, 80, 1]);
      assert.equal(content.size_bytes, bytes.length);
      assert.equal(content.media_type, 'image/png');
      assert.ok(content.palette.length > 0 && content.placeholder.length > 0);
    });

    test('content of a message is taken like content of a stream', async () => {
      const bytes = await png();
      const write = writeCall();
      const claim = { ...claimOf(bytes), filename: '../../etc/x\u202egnp.exe', data: bytes };
      const { value } = await storage.createImage(fieldsOf({}), claim, write);
      assert.deepEqual(await bytesOf(value.content.sha256), bytes);
      assert.equal(value.content.filename, 'xgnp.exe');
    });

    test('a message that lies about its bytes is refused, and leaves nothing', async () => {
      const bytes = await png();
      const write = writeCall();
      const claim = { ...claimOf(bytes), sha256: 'ab'.repeat(32), data: bytes };
      await assert.rejects(storage.createImage(fieldsOf({}), claim, write), {
        code: 'invalid_request',
      });
      const { sha256 } = claimOf(bytes);
      await assert.rejects(storage.getContent(sha256, null, writeCall()), { code: 'not_found' });
    });

    test('a claim of bytes that were sent under another operation is content_missing', async () => {
      const claim = await accept(await png(), writeCall());
      const created = storage.createImage(fieldsOf({}), claim, writeCall());
      await assert.rejects(created, { code: 'content_missing' });
    });

    test('equal bytes are kept once, and stay while one image has them', async () => {
      const bytes = await png();
      const [one, two] = [await create({}, bytes), await create({}, bytes)];
      assert.notEqual(one.id, two.id);
      assert.equal(one.content.sha256, two.content.sha256);
      await storage.deleteImage({ image_id: one.id }, writeCall());
      assert.deepEqual(await bytesOf(two.content.sha256), bytes);
    });

    test('bytes that were discarded are gone', async () => {
      const bytes = await png();
      const write = writeCall();
      const claim = await accept(bytes, write);
      await storage.discardContent(write);
      const { sha256 } = claim;
      await assert.rejects(storage.getContent(sha256, null, writeCall()), { code: 'not_found' });
      await assert.rejects(storage.createImage(fieldsOf({}), claim, write), {
        code: 'content_missing',
      });
    });

    test('discarding does not take bytes that an image has', async () => {
      const bytes = await png();
      const image = await create({}, bytes);
      const write = writeCall();
      await accept(bytes, write);
      await storage.discardContent(write);
      assert.deepEqual(await bytesOf(image.content.sha256), bytes);
    });

    test('a range holds both of its ends, and begins within the content', async () => {
      const bytes = await png({ width: 200, height: 200 });
      const { content } = await create({}, bytes);
      assert.deepEqual(await bytesOf(content.sha256, 10, 19), bytes.subarray(10, 20));
      const beyond = { first: bytes.length, last: bytes.length };
      await assert.rejects(storage.getContent(content.sha256, beyond, writeCall()), {
        code: 'range_not_satisfiable',
      });
    });

    test('content of an unknown or malformed hash is not found', async () => {
      for (const sha256 of ['cd'.repeat(32), '../../etc/passwd', '']) {
        await assert.rejects(storage.getContent(sha256, null, writeCall()), { code: 'not_found' });
      }
    });

    test('the same create again is one image and the same answer', async () => {
      const write = writeCall();
      const bytes = await png();
      const first = await storage.createImage(fieldsOf({}), await accept(bytes, write), write);
      const second = await storage.createImage(fieldsOf({}), await accept(bytes, write), write);
      assert.deepEqual(second, { value: first.value, replayed: true });
      const other = fieldsOf({ name: 'Another' });
      await assert.rejects(storage.createImage(other, claimOf(bytes), write), {
        code: 'operation_id_reused',
      });
    });

    test('two of the same create at once are one image', async () => {
      const write = writeCall();
      const bytes = await png();
      const upload = async () =>
        storage.createImage(fieldsOf({}), await accept(bytes, write), write);
      const [one, two] = await Promise.all([upload(), upload()]);
      assert.deepEqual(one.value, two.value);
      assert.deepEqual([one.replayed, two.replayed].sort(), [false, true]);
    });

    test('a write past its deadline changes nothing', async () => {
      const image = await create();
      const late = { ...writeCall(), deadline: Date.now() - 1 };
      await assert.rejects(storage.deleteImage({ image_id: image.id }, late));
      assert.equal((await storage.getImage(image.id, writeCall())).version, 1);
    });

    test('a stream that breaks off leaves nothing', async () => {
      const bytes = await png({ width: 300, height: 300 });
      const broken = (async function* () {
        yield bytes.subarray(0, bytes.length / 2);
        throw new Error('the client went away');
      })();
      await assert.rejects(storage.acceptContent(broken, { filename: null }, writeCall()));
      const { sha256 } = claimOf(bytes);
      await assert.rejects(storage.getContent(sha256, null, writeCall()), { code: 'not_found' });
    });

    test('a stream is cut at the limit', async () => {
      const block = new Uint8Array(1024 * 1024);
      let sent = 0;
      const endless = (async function* () {
        yield (await png()).subarray();
        for (;;) {
          sent += block.length;
          yield block;
        }
      })();
      const accepted = storage.acceptContent(endless, { filename: null }, writeCall());
      await assert.rejects(accepted, { code: 'content_too_large' });
      assert.ok(sent <= CONTENT_MAX_BYTES + block.length, `${sent} bytes were taken`);
    });

    for (const { name, bytes, expected } of HOSTILE) {
      test(`hostile bytes are refused: ${name}`, async () => {
        const write = writeCall();
        const content = await bytes();
        await assert.rejects(accept(content, write), (error: { code: string }) => {
          assert.ok((expected as string[]).includes(error.code), `${error.code}: ${error}`);
          return true;
        });
      });
    }

    test('fields are checked at this door too', async () => {
      const write = writeCall();
      const claim = await accept(await png(), write);
      const wrong = { ...fieldsOf({}), theme: 'Not A Slug', extra: 1 } as unknown as CreateImage;
      await assert.rejects(
        storage.createImage(wrong, claim, write),
        (error: { code: string; errors: { field: string }[] }) => {
          assert.equal(error.code, 'invalid_request');
          assert.deepEqual(error.errors.map(({ field }) => field).sort(), ['extra', 'theme']);
          return true;
        },
      );
    });

    test('metadata merges, or is replaced whole', async () => {
      const { id } = await create({ description: 'd', tags: ['A '], attributes: { a: 1, b: 2 } });
      const patched = await storage.updateImage(
        { image_id: id, patch: { attributes: { a: null, c: 3 }, tags: null } },
        writeCall(),
      );
      assert.deepEqual(patched.value.attributes, { b: 2, c: 3 });
      assert.deepEqual(patched.value.tags, []);
      assert.equal(patched.value.description, 'd');
      const patch = fieldsOf({ name: 'Whole' }) as ImagePatch;
      const { value } = await storage.updateImage(
        { image_id: id, patch, whole: true },
        writeCall(),
      );
      assert.deepEqual([value.name, value.description, value.attributes], ['Whole', null, {}]);
      assert.equal(value.version, 3);
    });

    test('of two changes of one version, one wins', async () => {
      const { id } = await create();
      const change = (name: string) =>
        storage.updateImage({ image_id: id, patch: { name }, if_version: 1 }, writeCall());
      const results = await Promise.allSettled([change('a'), change('b')]);
      const lost = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      assert.equal(lost.reason.code, 'precondition_failed');
    });

    test('a deleted image is not found, until it is restored', async () => {
      const { id } = await create();
      const target = { image_id: id };
      await storage.deleteImage(target, writeCall());
      await storage.deleteImage(target, writeCall());
      await assert.rejects(storage.getImage(id, writeCall()), { code: 'image_not_found' });
      const update = storage.updateImage({ image_id: id, patch: { name: 'x' } }, writeCall());
      await assert.rejects(update, { code: 'image_not_found' });
      assert.equal((await storage.restoreImage(target, writeCall())).value.version, 3);
      assert.equal((await storage.restoreImage(target, writeCall())).value.version, 3);
    });

    test('unknown and malformed ids are not found by any call', async () => {
      for (const image_id of [randomUUID(), '../etc', '', 'A'.repeat(5_000)]) {
        const expected = { code: 'image_not_found' };
        const target = { image_id };
        await assert.rejects(storage.getImage(image_id, writeCall()), expected);
        await assert.rejects(storage.deleteImage(target, writeCall()), expected);
        await assert.rejects(storage.restoreImage(target, writeCall()), expected);
        const patch = { name: 'x' };
        await assert.rejects(storage.updateImage({ image_id, patch }, writeCall()), expected);
      }
    });

    test('content is replaced, under its own precondition', async () => {
      const old = await png();
      const { id, content } = await create({}, old);
      const fresh = await png({ width: 33, height: 44 });
      const write = writeCall();
      const claim = await accept(fresh, write, 'fresh.png');
      const change = { image_id: id, if_sha256: content.sha256 };
      const { value } = await storage.replaceContent(change, claim, write);
      assert.deepEqual([value.content.width, value.content.filename], [33, 'fresh.png']);
      assert.deepEqual(await bytesOf(value.content.sha256), fresh);
      assert.deepEqual(await bytesOf(content.sha256), old, 'readers with old metadata break');
      const again = writeCall();
      const stale = storage.replaceContent(change, await accept(old, again), again);
      await assert.rejects(stale, { code: 'precondition_failed' });
    });

    test('lists answer in pages, and refuse what they do not know', async () => {
      for (const name of ['one', 'two', 'three']) await create({ name, tags: ['listed'] });
      const filter = { tag: ['LISTED '], limit: 2 };
      const first = await storage.listImages(filter, writeCall());
      const cursor = first.next_cursor!;
      const second = await storage.listImages({ ...filter, cursor }, writeCall());
      const names = [...first.items, ...second.items].map((item) => item.name);
      assert.deepEqual(names, ['three', 'two', 'one']);
      const unknown = { colour: ['red'] } as object;
      await assert.rejects(storage.listImages(unknown, writeCall()), { code: 'invalid_request' });
    });

    test('themes are put and listed', async () => {
      const put = await storage.putTheme('dieselpunk', { synonyms: ['oil age'] }, writeCall());
      assert.equal(put.value.created, true);
      const { items } = await storage.listThemes(writeCall());
      assert.ok(items.some((theme) => theme.name === 'dieselpunk'));
      const malformed = storage.putTheme('Diesel Punk', {}, writeCall());
      await assert.rejects(malformed, { code: 'invalid_request' });
    });

    test('every change is heard, in order, with its version', async () => {
      const heard: ImageEvent[] = [];
      const end = storage.subscribe((event) => heard.push(event));
      const { id } = await create();
      await storage.updateImage({ image_id: id, patch: { name: 'New' } }, writeCall());
      await storage.deleteImage({ image_id: id }, writeCall());
      await storage.restoreImage({ image_id: id }, writeCall());
      end();
      await storage.deleteImage({ image_id: id }, writeCall());
      const mine = heard.filter(({ data }) => data.image_id === id);
      assert.deepEqual(
        mine.map(({ event_type, data }) => `${event_type} ${data.version}`),
        ['image.created 1', 'image.updated 2', 'image.deleted 3', 'image.restored 4'],
      );
      assert.equal(new Set(mine.map(({ message_id }) => message_id)).size, 4);
    });

    test('it answers that it works', async () => {
      assert.match((await storage.ping(writeCall())).version, /^\d/);
    });
  });
}

function writeCall(): WriteCall {
  return {
    operationId: randomUUID(),
    requestId: 'test',
    deadline: Date.now() + 20_000,
    signal: AbortSignal.timeout(20_000),
  };
}

function fieldsOf(fields: Partial<Image & CreateImage>): CreateImage {
  return { type: 'portrait', name: 'Nameless', theme: 'fantasy', ...fields } as CreateImage;
}

function claimOf(bytes: Uint8Array): ContentClaim {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha256, size_bytes: bytes.length, media_type: 'image/png', filename: null };
}

/** Another image every time. */
function png({ width = 20, height = 20 } = {}): Promise<Buffer> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 40 };
  const create = { width, height, channels: 3 as const, background: '#000', noise };
  return sharp({ create }).png().toBuffer();
}

async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
