import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CONTENT_MAX_BYTES } from '../../../src/contract/limits.ts';
import type { Storage } from '../../../src/contract/storage.ts';
import { HOSTILE } from '../../fixtures/hostile.ts';

import { claimOf, drive, fieldsOf, png, writeCall } from './drive.ts';

/** Bytes on their way in and out. */
export function storageContent(opened: () => Storage): void {
  const { accept, create, bytesOf } = drive(opened);

  test('an image goes in, and comes out byte for byte', async () => {
    const bytes = await png({ width: 120, height: 80 });
    const image = await create({ name: 'Whole' }, bytes);
    assert.deepEqual(await opened().getImage(image.id, writeCall()), image);
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
    const { value } = await opened().createImage(fieldsOf({}), claim, write);
    assert.deepEqual(await bytesOf(value.content.sha256), bytes);
    assert.equal(value.content.filename, 'xgnp.exe');
  });

  test('a message that lies about its bytes is refused, and leaves nothing', async () => {
    const bytes = await png();
    const write = writeCall();
    const claim = { ...claimOf(bytes), sha256: 'ab'.repeat(32), data: bytes };
    await assert.rejects(opened().createImage(fieldsOf({}), claim, write), {
      code: 'invalid_request',
    });
    const { sha256 } = claimOf(bytes);
    await assert.rejects(opened().getContent(sha256, null, writeCall()), { code: 'not_found' });
  });

  test('a claim that lies about the size of bytes sent before is refused, until it is right', async () => {
    const write = writeCall();
    const claim = await accept(await png(), write);
    const lie = { ...claim, size_bytes: claim.size_bytes + 1 };
    await assert.rejects(opened().createImage(fieldsOf({}), lie, write), {
      code: 'invalid_request',
      errors: [
        {
          field: 'content.size_bytes',
          message: `is ${lie.size_bytes}, and the content of this hash has ${claim.size_bytes} bytes`,
        },
      ],
    });
    const { value } = await opened().createImage(fieldsOf({}), claim, write);
    assert.equal(value.content.size_bytes, claim.size_bytes);
  });

  test('a claim of bytes that were sent under another operation is content_missing', async () => {
    const claim = await accept(await png(), writeCall());
    const created = opened().createImage(fieldsOf({}), claim, writeCall());
    await assert.rejects(created, { code: 'content_missing' });
  });

  test('equal bytes are kept once, and stay while one image has them', async () => {
    const bytes = await png();
    const [one, two] = [await create({}, bytes), await create({}, bytes)];
    assert.notEqual(one.id, two.id);
    assert.equal(one.content.sha256, two.content.sha256);
    await opened().deleteImage({ image_id: one.id }, writeCall());
    assert.deepEqual(await bytesOf(two.content.sha256), bytes);
  });

  test('bytes that were discarded are gone', async () => {
    const bytes = await png();
    const write = writeCall();
    const claim = await accept(bytes, write);
    await opened().discardContent(write);
    const { sha256 } = claim;
    await assert.rejects(opened().getContent(sha256, null, writeCall()), { code: 'not_found' });
    await assert.rejects(opened().createImage(fieldsOf({}), claim, write), {
      code: 'content_missing',
    });
  });

  test('discarding does not take bytes that an image has', async () => {
    const bytes = await png();
    const image = await create({}, bytes);
    const write = writeCall();
    await accept(bytes, write);
    await opened().discardContent(write);
    assert.deepEqual(await bytesOf(image.content.sha256), bytes);
  });

  test('a range holds both of its ends, and begins within the content', async () => {
    const bytes = await png({ width: 200, height: 200 });
    const { content } = await create({}, bytes);
    assert.deepEqual(await bytesOf(content.sha256, 10, 19), bytes.subarray(10, 20));
    const beyond = { first: bytes.length, last: bytes.length };
    await assert.rejects(opened().getContent(content.sha256, beyond, writeCall()), {
      code: 'range_not_satisfiable',
    });
  });

  test('content of an unknown or malformed hash is not found', async () => {
    for (const sha256 of ['cd'.repeat(32), '../../etc/passwd', '']) {
      await assert.rejects(opened().getContent(sha256, null, writeCall()), { code: 'not_found' });
    }
  });

  test('the same create again is one image and the same answer', async () => {
    const write = writeCall();
    const bytes = await png();
    const first = await opened().createImage(fieldsOf({}), await accept(bytes, write), write);
    const second = await opened().createImage(fieldsOf({}), await accept(bytes, write), write);
    assert.deepEqual(second, { value: first.value, replayed: true });
    const other = fieldsOf({ name: 'Another' });
    await assert.rejects(opened().createImage(other, claimOf(bytes), write), {
      code: 'operation_id_reused',
    });
  });

  test('two of the same create at once are one image', async () => {
    const write = writeCall();
    const bytes = await png();
    const upload = async () =>
      opened().createImage(fieldsOf({}), await accept(bytes, write), write);
    const [one, two] = await Promise.all([upload(), upload()]);
    assert.deepEqual(one.value, two.value);
    assert.deepEqual([one.replayed, two.replayed].sort(), [false, true]);
  });

  test('a write past its deadline changes nothing', async () => {
    const image = await create();
    const late = { ...writeCall(), deadline: Date.now() - 1 };
    await assert.rejects(opened().deleteImage({ image_id: image.id }, late));
    assert.equal((await opened().getImage(image.id, writeCall())).version, 1);
  });

  test('a stream that breaks off leaves nothing', async () => {
    const bytes = await png({ width: 300, height: 300 });
    const broken = (async function* () {
      yield bytes.subarray(0, bytes.length / 2);
      throw new Error('the client went away');
    })();
    await assert.rejects(opened().acceptContent(broken, { filename: null }, writeCall()));
    const { sha256 } = claimOf(bytes);
    await assert.rejects(opened().getContent(sha256, null, writeCall()), { code: 'not_found' });
  });

  test('a stream that stalls ends with its signal', async () => {
    const ending = new AbortController();
    const stalled = (async function* () {
      yield (await png()).subarray(0, 100);
      ending.abort(new Error('enough'));
      await new Promise(() => {});
    })();
    const call = { ...writeCall(), signal: ending.signal };
    await assert.rejects(opened().acceptContent(stalled, { filename: null }, call));
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
    const accepted = opened().acceptContent(endless, { filename: null }, writeCall());
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
}
