import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { ServiceError } from '../../../src/contract/errors.ts';
import type { ImageFilter, ImagePatch } from '../../../src/contract/image.ts';
import { fromJson } from '../../../src/contract/json.ts';
import type {
  CreateImage,
  ImageEvent,
  Storage,
  StorageEvents,
} from '../../../src/contract/storage.ts';

import { eventually } from '../../services/data-folder.ts';
import { drive, fieldsOf, png, writeCall } from './drive.ts';

/** What is said of images and themes. */
export function storageMetadata(opened: () => Storage & StorageEvents): void {
  const { accept, create, bytesOf } = drive(opened);

  test('fields are checked at this door too', async () => {
    const write = writeCall();
    const claim = await accept(await png(), write);
    const wrong = { ...fieldsOf({}), theme: '???', extra: 1 } as unknown as CreateImage;
    await assert.rejects(
      opened().createImage(wrong, claim, write),
      (error: { code: string; errors: { field: string }[] }) => {
        assert.equal(error.code, 'invalid_request');
        assert.deepEqual(error.errors.map(({ field }) => field).sort(), ['extra', 'theme']);
        return true;
      },
    );
  });

  test('metadata merges, or is replaced whole', async () => {
    const { id } = await create({ description: 'd', tags: ['A '], attributes: { a: 1, b: 2 } });
    const patched = await opened().updateImage(
      { image_id: id, patch: { attributes: { a: null, c: 3 }, tags: null } },
      writeCall(),
    );
    assert.deepEqual(patched.value.attributes, { b: 2, c: 3 });
    assert.deepEqual(patched.value.tags, []);
    assert.equal(patched.value.description, 'd');
    const patch = fieldsOf({ name: 'Whole' }) as ImagePatch;
    const { value } = await opened().updateImage({ image_id: id, patch, whole: true }, writeCall());
    assert.deepEqual([value.name, value.description, value.attributes], ['Whole', null, {}]);
    assert.equal(value.version, 3);
  });

  test('defaults that are spelled out are the same request as defaults that are not', async () => {
    const write = writeCall();
    const bytes = await png();
    const brief = await opened().createImage(fieldsOf({}), await accept(bytes, write), write);
    const full = fieldsOf({ visibility: 'public', tags: [], attributes: {}, subtype: null });
    const again = await opened().createImage(full, await accept(bytes, write), write);
    assert.deepEqual(again, { value: brief.value, replayed: true });
  });

  test('of two changes of one version, one wins', async () => {
    const { id } = await create();
    const change = (name: string) =>
      opened().updateImage({ image_id: id, patch: { name }, if_version: 1 }, writeCall());
    const results = await Promise.allSettled([change('a'), change('b')]);
    const lost = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(lost.reason.code, 'precondition_failed');
  });

  test('a deleted image is not found, until it is restored', async () => {
    const { id } = await create();
    const target = { image_id: id };
    await opened().deleteImage(target, writeCall());
    await opened().deleteImage(target, writeCall());
    await assert.rejects(opened().getImage(id, writeCall()), { code: 'image_not_found' });
    const update = opened().updateImage({ image_id: id, patch: { name: 'x' } }, writeCall());
    await assert.rejects(update, { code: 'image_not_found' });
    assert.equal((await opened().restoreImage(target, writeCall())).value.version, 3);
    assert.equal((await opened().restoreImage(target, writeCall())).value.version, 3);
  });

  test('unknown and malformed ids are not found by any call', async () => {
    for (const image_id of [randomUUID(), '../etc', '', 'A'.repeat(5_000)]) {
      const expected = { code: 'image_not_found' };
      const target = { image_id };
      await assert.rejects(opened().getImage(image_id, writeCall()), expected);
      await assert.rejects(opened().deleteImage(target, writeCall()), expected);
      await assert.rejects(opened().restoreImage(target, writeCall()), expected);
      const patch = { name: 'x' };
      await assert.rejects(opened().updateImage({ image_id, patch }, writeCall()), expected);
    }
  });

  test('content is replaced, under its own precondition', async () => {
    const old = await png();
    const { id, content } = await create({}, old);
    const fresh = await png({ width: 33, height: 44 });
    const write = writeCall();
    const claim = await accept(fresh, write, 'fresh.png');
    const change = { image_id: id, if_sha256: content.sha256 };
    const { value } = await opened().replaceContent(change, claim, write);
    assert.deepEqual([value.content.width, value.content.filename], [33, 'fresh.png']);
    assert.deepEqual(await bytesOf(value.content.sha256), fresh);
    assert.deepEqual(await bytesOf(content.sha256), old, 'readers with old metadata break');
    const again = writeCall();
    const stale = opened().replaceContent(change, await accept(old, again), again);
    await assert.rejects(stale, { code: 'precondition_failed' });
  });

  test('lists answer in pages, and refuse what they do not know', async () => {
    for (const name of ['one', 'two', 'three']) await create({ name, tags: ['listed'] });
    const filter = { tag: ['LISTED '], limit: 2 };
    const list = async (filter: ImageFilter) =>
      fromJson(await opened().listImages(filter, writeCall()));
    const first = await list(filter);
    const cursor = first.next_cursor!;
    const second = await list({ ...filter, cursor });
    const names = [...first.items, ...second.items].map((item) => item.name);
    assert.deepEqual(names, ['three', 'two', 'one']);
    const unknown = { colour: ['red'] } as object;
    await assert.rejects(opened().listImages(unknown, writeCall()), { code: 'invalid_request' });
  });

  test('a filter may be one value, text for a number or boolean, or empty', async () => {
    const { id } = await create({ tags: ['loose', 'filter'], attributes: { level: 3 } });
    await create({ tags: ['loose'] });
    const loose = { tag: 'Loose,FILTER', type: 'Portrait', format: 'PNG', limit: '1' };
    const more = { attr: { level: 3 }, deleted: 'False', q: ' ', owner: '', sort: 'Name' };
    const filter = { ...loose, ...more } as unknown as ImageFilter;
    const { items } = fromJson(await opened().listImages(filter, writeCall()));
    assert.deepEqual(
      items.map((item) => item.id),
      [id],
    );
    const wrong = { limit: 'many', type: 'hero', deleted: 'maybe' } as unknown as ImageFilter;
    await assert.rejects(
      opened().listImages(wrong, writeCall()),
      ({ code, errors }: ServiceError) => {
        const fields = errors.map(({ field }) => field).sort();
        return code === 'invalid_request' && fields.join() === 'deleted,limit,type';
      },
    );
  });

  test('a theme is named in any form, and one form is kept', async () => {
    const write = writeCall();
    const bytes = await png();
    const fields = fieldsOf({ theme: 'Sword-and-SORCERY' });
    const { value } = await opened().createImage(fields, await accept(bytes, write), write);
    assert.equal(value.theme, 'fantasy');
    // The other form is the same request.
    const again = { ...fields, theme: 'sword and sorcery' };
    const repeated = await opened().createImage(again, await accept(bytes, write), write);
    assert.deepEqual(repeated, { value, replayed: true });
    const change = { image_id: value.id, patch: { theme: 'T\u00e9n\u00e8bres' } };
    assert.equal((await opened().updateImage(change, writeCall())).value.theme, 'tenebres');
    const put = await opened().putTheme('Film-Noir', { parent: 'Noir Detective' }, writeCall());
    assert.deepEqual(
      [put.value.theme.name, put.value.theme.parent],
      ['film_noir', 'noir_detective'],
    );
  });

  test('a theme that nobody has is answered with what was probably meant', async () => {
    const page = await opened().listImages({ theme: ['hig_fantasy'] }, writeCall());
    const message = 'No theme "hig_fantasy". Did you mean "high_fantasy"?';
    assert.deepEqual(fromJson(page).hints, [{ field: 'theme', message }]);
  });

  test('themes are put and listed', async () => {
    const put = await opened().putTheme('dieselpunk', { synonyms: ['oil age'] }, writeCall());
    assert.equal(put.value.created, true);
    const { items } = await opened().listThemes(writeCall());
    assert.ok(items.some((theme) => theme.name === 'dieselpunk'));
    const malformed = opened().putTheme('diesel/punk', {}, writeCall());
    await assert.rejects(malformed, { code: 'invalid_request' });
  });

  test('a theme is deleted while nothing has it, and that is heard', async () => {
    const themes: string[] = [];
    const end = opened().subscribe((event) => {
      if (event.event_type === 'theme.changed') themes.push(event.data.name);
    });
    const { id } = await create({ theme: 'mistyped' });
    const refused = { code: 'theme_in_use', message: /in use by 1 image\./ };
    await assert.rejects(opened().deleteTheme('Mistyped', writeCall()), refused);
    await opened().updateImage({ image_id: id, patch: { theme: 'horror' } }, writeCall());
    const write = writeCall();
    const first = await opened().deleteTheme('Mistyped', write);
    assert.deepEqual(first, { value: {}, replayed: false });
    assert.equal((await opened().deleteTheme('mistyped', write)).replayed, true);
    assert.equal((await opened().deleteTheme('mistyped', writeCall())).replayed, false);
    for (const unknown of ['never_was', '../x', '', 'x'.repeat(5_000)]) {
      await assert.rejects(opened().deleteTheme(unknown, writeCall()), { code: 'theme_not_found' });
    }
    const { items } = await opened().listThemes(writeCall());
    assert.ok(!items.some(({ name }) => name === 'mistyped'));
    await eventually(() => assert.ok(themes.includes('mistyped')));
    end();
  });

  test('every change is heard, in order, with its version', async () => {
    const heard: ImageEvent[] = [];
    const themes: string[] = [];
    const end = opened().subscribe((event) => {
      if (event.event_type === 'theme.changed') themes.push(event.data.name);
      else heard.push(event);
    });
    const { id } = await create();
    await opened().updateImage({ image_id: id, patch: { name: 'New' } }, writeCall());
    await opened().deleteImage({ image_id: id }, writeCall());
    await opened().restoreImage({ image_id: id }, writeCall());
    await opened().putTheme('heard_of', {}, writeCall());
    const mine = () => heard.filter(({ data }) => data.image_id === id);
    await eventually(() => assert.equal(mine().length, 4));
    await eventually(() => assert.ok(themes.includes('heard_of')));
    end();
    await opened().deleteImage({ image_id: id }, writeCall());
    assert.deepEqual(
      mine().map(({ event_type, data }) => `${event_type} ${data.version}`),
      ['image.created 1', 'image.updated 2', 'image.deleted 3', 'image.restored 4'],
    );
    assert.equal(new Set(mine().map(({ message_id }) => message_id)).size, 4);
  });

  test('it answers that it works', async () => {
    const { version, ...rest } = await opened().ping(writeCall());
    assert.match(version, /^\d/);
    assert.deepEqual(rest, {});
  });
}
