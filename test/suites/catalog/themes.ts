import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Image, ImageFilter } from '../../../src/contract/image.ts';
import type { Catalog, Command } from '../../../src/storage-service/catalog/catalog.ts';
import { call, drive } from './drive.ts';

/** The vocabulary. */
export function catalogThemes(opened: () => Catalog): void {
  const { write, create, list, names } = drive(opened);
  describe('themes', () => {
    const put = async (theme: string, fields: object) =>
      (await write({ operation: 'put_theme', name: theme, fields })).answer as {
        theme: { name: string; display_name: string; parent: string | null };
        created: boolean;
      };
    const theme = async (wanted: string) =>
      (await opened().listThemes(call())).find(({ name }) => name === wanted);

    test('are seeded', async () => {
      assert.deepEqual((await theme('high_fantasy'))?.synonyms, ['epic', 'heroic']);
      assert.equal((await theme('high_fantasy'))?.parent, 'fantasy');
      assert.equal((await theme('space_fantasy'))?.display_name, 'Space Fantasy');
    });

    test('appear with the first image that has them, and count live images', async () => {
      const { id } = await create({ theme: 'counted' });
      await create({ theme: 'counted' });
      assert.equal((await theme('counted'))?.image_count, 2);
      await write({ operation: 'delete_image', image_id: id, if_version: null });
      assert.equal((await theme('counted'))?.image_count, 1);
      await write({ operation: 'restore_image', image_id: id, if_version: null });
      const patch = { theme: 'counted_otherwise' };
      const move: Command = {
        operation: 'update_image',
        image_id: id,
        patch,
        whole: false,
        if_version: null,
      };
      await write(move);
      assert.equal((await theme('counted'))?.image_count, 1);
      assert.equal((await theme('counted_otherwise'))?.image_count, 1);
    });

    test('are new or changed when they are put', async () => {
      const first = await put('solarpunk', { synonyms: ['green future'] });
      assert.equal(first.created, true);
      assert.equal(first.theme.display_name, 'Solarpunk');
      const second = await put('solarpunk', { display_name: 'Solar Punk' });
      assert.equal(second.created, false);
      assert.deepEqual((await theme('solarpunk'))?.synonyms, []);
    });

    test('are found and written by display name or synonym, unless a theme has that slug', async () => {
      await put('dusk', {
        display_name: 'Cr\u00e9puscule \u00c9ternel',
        synonyms: ['Zwielicht', 'both'],
      });
      await put('dawn', { synonyms: ['both', 'Own'] });
      const made = async (theme: string) => (await create({ theme, tags: ['dusk'] })).theme;
      assert.deepEqual(
        [await made('crepuscule_eternel'), await made('zwielicht'), await made('dusk')],
        ['dusk', 'dusk', 'dusk'],
      );
      const { items } = await list({ tag: ['dusk'], theme: ['Cr\u00e9puscule \u00e9ternel'] });
      assert.equal(items.length, 3);
      // A synonym of two themes names none of them, and a theme of its own goes before a synonym.
      assert.equal(await made('both'), 'both');
      await put('own', {});
      assert.equal(await made('own'), 'own');
      const { id, theme: before } = await create({ theme: 'horror' });
      const change = {
        operation: 'update_image',
        image_id: id,
        whole: false,
        if_version: null,
      } as const;
      const { answer } = await write({ ...change, patch: { theme: 'zwielicht' } });
      assert.deepEqual([before, (answer as Image).theme], ['horror', 'dusk']);
      const { theme } = await put('evening', { parent: 'zwielicht' });
      assert.equal(theme.parent, 'dusk');
    });

    test('that nobody has are told of, with what was meant', async () => {
      const hints = async (filter: ImageFilter) => (await list(filter)).hints;
      assert.deepEqual(await hints({ theme: ['hig_fantasy'] }), [
        { field: 'theme', message: 'No theme "hig_fantasy". Did you mean "high_fantasy"?' },
      ]);
      const message = (await hints({ theme: ['no_such_thing_here'] }))?.[0]?.message;
      assert.equal(message, 'No theme "no_such_thing_here".');
      assert.match((await hints({ theme: ['gohtic'] }))![0]!.message, /"horror"/);
      assert.equal(
        (await hints({ theme: Array.from({ length: 50 }, (_, n) => `qq${n}qq`) }))?.length,
        3,
      );
      assert.equal(await hints({ theme: ['horror'], tag: ['nobody has this'] }), undefined);
      assert.equal(await hints({ theme: ['fantasy', 'hig_fantasy'] }), undefined);
    });

    test('change what lists find at once', async () => {
      await create({ name: 'gear', theme: 'clockpunk', tags: ['vocabulary'] });
      assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['tick tock'] }), []);
      await put('clockpunk', { parent: 'steampunk', synonyms: ['Tick Tock', 'E\u0301lan'] });
      assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['tick tock'] }), ['gear']);
      assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['\u00e9lan'] }), ['gear']);
      assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['steampunk'] }), ['gear']);
      assert.deepEqual(await names({ tag: ['vocabulary'], q: 'tock' }), ['gear']);
    });

    test('are never their own ancestor, nor too deep, nor under an unknown one', async () => {
      await put('t1', {});
      for (let depth = 2; depth <= 5; depth++) await put(`t${depth}`, { parent: `t${depth - 1}` });
      await assert.rejects(put('t1', { parent: 't3' }), { code: 'theme_cycle' });
      await assert.rejects(put('t1', { parent: 't1' }), { code: 'theme_cycle' });
      await assert.rejects(put('t6', { parent: 't5' }), { code: 'invalid_request' });
      await assert.rejects(put('t1', { parent: 'fantasy' }), { code: 'invalid_request' });
      await assert.rejects(put('t7', { parent: 'unheard_of' }), { code: 'invalid_request' });
    });
  });
}
