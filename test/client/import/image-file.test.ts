import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { imageFile, labels, tagsOf } from '../../../client/import/image-file.ts';
import { CONTENT_MAX_BYTES } from '../../../src/contract/limits.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-file-'));
});
after(() => rm(folder, { recursive: true }));

const blank = sharp({ create: { width: 4, height: 4, channels: 3, background: '#234' } });

for (const format of ['png', 'jpeg', 'webp', 'gif', 'avif'] as const) {
  test(`${format} is known by its bytes, whatever its name`, async () => {
    const name = `${format}.txt`;
    await writeFile(join(folder, name), await blank.clone().toFormat(format).toBuffer());
    assert.equal((await imageFile(folder, name))?.path, name);
  });
}

test('text, an SVG, an empty file are no images', async () => {
  for (const text of ['', 'x', '<svg xmlns="http://www.w3.org/2000/svg"/>', '%PDF-1.7']) {
    await writeFile(join(folder, 'not.png'), text);
    assert.equal(await imageFile(folder, 'not.png'), undefined);
  }
});

test('the source id is that of path and bytes together', async () => {
  const bytes = await blank.clone().png().toBuffer();
  const ids = new Set<string | undefined>();
  for (const name of ['a.png', 'b.png']) {
    await writeFile(join(folder, name), bytes);
    ids.add((await imageFile(folder, name))?.sourceId);
    ids.add((await imageFile(folder, name))?.sourceId);
  }
  assert.equal(ids.size, 2);
  await writeFile(join(folder, 'a.png'), Buffer.concat([bytes, Buffer.from('more')]));
  ids.add((await imageFile(folder, 'a.png'))?.sourceId);
  assert.equal(ids.size, 3);
});

test('a file past the limit is refused unread, one that is gone as unreadable', async () => {
  await writeFile(join(folder, 'large.png'), await blank.clone().png().toBuffer());
  await truncate(join(folder, 'large.png'), CONTENT_MAX_BYTES + 1);
  await assert.rejects(imageFile(folder, 'large.png'), {
    code: 'content_too_large',
    message: 'has 26214401 bytes, and up to 26214400 are taken',
  });
  await assert.rejects(imageFile(folder, 'gone.png'), { code: 'unreadable', message: /ENOENT/ });
  await assert.rejects(imageFile(folder, 'bad\ufffd.png'), { message: /not UTF-8/ });
});

test('file names become names, folders become tags', () => {
  const { name, folders } = labels('Elves/Wose, old/High_Archer--2.final.png');
  assert.equal(name, 'High Archer 2.final');
  assert.deepEqual(folders.flatMap(tagsOf), ['elves', 'wose old']);
  assert.deepEqual(labels('___.png'), { name: '___', folders: [] });
  assert.deepEqual(tagsOf('É'.repeat(60)), ['é'.repeat(50)]);
  assert.deepEqual(tagsOf(' , '), []);
});
