import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { ImageClient } from '../../client/client.ts';
import { startService } from '../services/service.ts';

async function picture(red: number): Promise<File> {
  const background = { r: red, g: 40, b: 90 };
  const bytes = await sharp({ create: { width: 8, height: 6, channels: 3, background } })
    .png()
    .toBuffer();
  return new File([new Uint8Array(bytes)], 'a b.png', { type: 'image/png' });
}

const fields = { type: 'token' as const, name: 'Goblin', theme: 'fantasy' };

test('an image is created with every field, read, changed, deleted, restored', async () => {
  await using service = await startService();
  const client = new ImageClient({ url: service.url });
  const { value: image, replayed } = await client.create(
    {
      ...fields,
      subtype: 'boss',
      description: 'Two\nlines',
      tags: ['green', 'small'],
      attributes: { level: 3, languages: ['goblin', 'common'] },
      visibility: 'private',
    },
    await picture(1),
  );
  assert.equal(replayed, false);
  assert.deepEqual(image.attributes, { level: 3, languages: ['goblin', 'common'] });
  assert.deepEqual(image.tags, ['green', 'small']);
  assert.equal(image.description, 'Two\nlines');
  assert.equal(image.content.filename, 'a b.png');
  assert.deepEqual(await client.get(image.id), image);

  const { value: changed } = await client.update(image.id, { name: 'Hob' }, { ifVersion: 1 });
  assert.equal(changed.name, 'Hob');
  await assert.rejects(client.update(image.id, { name: 'X' }, { ifVersion: 1 }), {
    code: 'precondition_failed',
  });
  await client.delete(image.id);
  await assert.rejects(client.get(image.id), { code: 'image_not_found', status: 404 });
  assert.equal((await client.restore(image.id)).value.deleted_at, null);
});

test('a list gives every image once, page by page, with filters of several values', async () => {
  await using service = await startService();
  const client = new ImageClient({ url: service.url });
  for (const [index, tag] of ['a', 'b', 'a', 'b', 'a'].entries()) {
    const tags = [tag, 'all'];
    const attributes = { level: index };
    await client.create({ ...fields, name: `N${index}`, tags, attributes }, await picture(index));
  }
  const names = async (filter: Parameters<ImageClient['list']>[0]) =>
    (await Array.fromAsync(client.list(filter))).map(({ name }) => name);
  assert.deepEqual(await names({ sort: 'name', limit: 2 }), ['N0', 'N1', 'N2', 'N3', 'N4']);
  assert.deepEqual(await names({ sort: 'name', limit: 1, tag: ['b', 'all'] }), ['N1', 'N3']);
  assert.deepEqual(await names({ sort: 'name', attr: { level: ['2', '4'] } }), ['N2', 'N4']);
});

test('the same key gets the same answer', async () => {
  await using service = await startService();
  const client = new ImageClient({ url: service.url });
  const idempotencyKey = 'once';
  const first = await client.create(fields, await picture(1), { idempotencyKey });
  const second = await client.create(fields, await picture(1), { idempotencyKey });
  assert.deepEqual(second, { value: first.value, replayed: true });
});

test('content comes whole or in part, and can be replaced', async () => {
  await using service = await startService();
  const client = new ImageClient({ url: service.url });
  const { value: image } = await client.create(fields, await picture(1));
  const whole = await client.content(image.id);
  assert.deepEqual(await whole.bytes(), await (await picture(1)).bytes());
  const part = await client.content(image.id, { range: 'bytes=1-3' });
  assert.equal(await part.text(), 'PNG');

  const ifSha256 = image.content.sha256;
  const { value } = await client.replaceContent(image.id, await picture(2), { ifSha256 });
  assert.notEqual(value.content.sha256, ifSha256);
  await assert.rejects(client.replaceContent(image.id, await picture(3), { ifSha256 }), {
    code: 'precondition_failed',
  });
});

test('themes come with their counts', async () => {
  await using service = await startService();
  const client = new ImageClient({ url: service.url });
  await client.create(fields, await picture(1));
  const fantasy = (await client.themes()).find(({ name }) => name === 'fantasy');
  assert.equal(fantasy?.image_count, 1);
});
