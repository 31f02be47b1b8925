import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Image, ImageFilter } from '../../../src/contract/image.ts';
import { ANSWER_KEPT_MS } from '../../../src/contract/limits.ts';
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

    const remove = (theme: string) => write({ operation: 'delete_theme', name: theme });

    test('are deleted while nothing needs them, and again without effect', async () => {
      const { id } = await create({ theme: 'typo_fantasy', tags: ['typo'] });
      await create({ theme: 'typo_fantasy' });
      const message = (text: string) => ({
        code: 'theme_in_use',
        message: `The theme "typo_fantasy" is in use by ${text}. Give them another theme first.`,
      });
      await assert.rejects(remove('typo_fantasy'), message('2 images'));
      const target = { image_id: id, if_version: null };
      await write({ operation: 'delete_image', ...target });
      const both = message('1 image and 1 deleted image that can be restored');
      await assert.rejects(remove('typo_fantasy'), both);
      const { items } = await list({ theme: ['typo_fantasy'] });
      const patch = { theme: 'fantasy' };
      const image_id = items[0]!.id;
      const update = { operation: 'update_image', patch, whole: false, if_version: null } as const;
      await write({ ...update, image_id });
      await assert.rejects(remove('typo_fantasy'), message('1 deleted image that can be restored'));
      await write({ operation: 'restore_image', ...target });
      await write({ ...update, image_id: id });
      const { answer, event } = await remove('typo_fantasy');
      assert.deepEqual([answer, event?.event_type], [{}, 'theme.changed']);
      assert.deepEqual(event?.data, { name: 'typo_fantasy' });
      assert.equal(await theme('typo_fantasy'), undefined);
      assert.equal((await list({ theme: ['typo_fantasy'] })).hints?.length, 1);
      const again = await remove('typo_fantasy');
      assert.deepEqual([again.answer, again.event], [{}, undefined]);
      await assert.rejects(remove('never_was'), { code: 'theme_not_found' });
      // It may come again, and then be deleted again.
      await create({ theme: 'typo_fantasy' });
      assert.equal((await theme('typo_fantasy'))?.image_count, 1);
      await assert.rejects(remove('typo_fantasy'), { code: 'theme_in_use' });
    });

    test('are not deleted while they are parents', async () => {
      await put('stem', {});
      for (const leaf of 'abcdef') await put(`leaf_${leaf}`, { parent: 'stem' });
      const message =
        'The theme "stem" is the parent of leaf_a, leaf_b, leaf_c, leaf_d, leaf_e and others. Give them another parent first.';
      await assert.rejects(remove('stem'), { code: 'theme_in_use', message });
      for (const leaf of 'abcdef') await remove(`leaf_${leaf}`);
      await remove('stem');
      assert.equal(await theme('stem'), undefined);
    });

    test('are deleted once for an operation', async () => {
      await put('once', {});
      const operation_id = randomUUID();
      const command = { operation: 'delete_theme', name: 'once' } as const;
      await write(command, operation_id);
      await put('once', {});
      const again = await write(command, operation_id);
      assert.deepEqual([again.replayed, again.event], [true, undefined]);
      assert.ok(await theme('once'));
      const other = { ...command, name: 'horror' };
      await assert.rejects(write(other, operation_id, 'g'), { code: 'operation_id_reused' });
    });

    test('deleted while images come, leave every image a theme that counts it', async () => {
      const rounds = Array.from({ length: 12 }, async (_, round) => {
        const made = create({ theme: 'contested', tags: ['contested'] });
        const deleted = remove('contested').then(
          () => true,
          ({ code }) => assert.match(code, /^theme_(in_use|not_found)$/),
        );
        const { id } = await made;
        await deleted;
        if (round % 2 === 0) return;
        await Promise.allSettled([
          write({ operation: 'delete_image', image_id: id, if_version: null }),
          remove('contested'),
          write({ operation: 'restore_image', image_id: id, if_version: null }),
        ]);
      });
      await Promise.all(rounds);
      const { items } = await list({ theme: ['contested'], tag: ['contested'] });
      assert.ok(items.length >= 6);
      assert.equal((await theme('contested'))?.image_count, items.length);
      assert.deepEqual(await opened().check(), []);
    });

    test('stay when their last image is deleted with the same commit', async () => {
      for (let round = 0; round < 5; round++) {
        const { id } = await create({ theme: 'lasting' });
        const [, refused] = await Promise.allSettled([
          write({ operation: 'delete_image', image_id: id, if_version: null }),
          remove('lasting'),
        ]);
        assert.equal((refused as PromiseRejectedResult).reason?.code, 'theme_in_use');
        await opened().purge(Date.now() + 60_000, 1_000);
      }
    });

    test('that were deleted are forgotten after a day', async () => {
      await put('short_lived', {});
      await remove('short_lived');
      await opened().forget(Date.now(), 1_000);
      await remove('short_lived');
      await opened().forget(Date.now() + ANSWER_KEPT_MS + 60_000, 1_000);
      await assert.rejects(remove('short_lived'), { code: 'theme_not_found' });
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
