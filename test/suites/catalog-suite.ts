import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Image, ImageFields, ImageFilter } from '../../src/contract/image.ts';
import type { Call } from '../../src/contract/storage.ts';
import type { Blob, Catalog, Command, Written } from '../../src/storage-service/catalog/catalog.ts';

/** What every Catalog does. `open` gives a new one. The suite closes none. */
export function catalogSuite(name: string, open: () => Promise<Catalog>): void {
  describe(`${name} as a Catalog`, () => {
    let catalog: Catalog;
    before(async () => {
      catalog = await open();
    });

    const write = (command: Command, operation_id: string = randomUUID(), fingerprint = 'f') =>
      catalog.write(command, { operation_id, fingerprint, deadline: Date.now() + 10_000 });

    const lease = async (
      operation_id: string,
      text: string = randomUUID(),
      facts: Partial<Blob> = {},
    ) => {
      const blob = blobOf(text, facts);
      await catalog.addLease(leaseOf(operation_id, blob.sha256), blob, Date.now() + 10_000);
      return blob;
    };

    const create = async (fields: Partial<ImageFields> = {}, facts: Partial<Blob> = {}) => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id, randomUUID(), facts);
      const command: Command = {
        operation: 'create_image',
        fields: fieldsOf(fields),
        content: { sha256, filename: 'a.png' },
      };
      return (await write(command, operation_id)).answer as Image;
    };

    const names = async (filter: ImageFilter) => {
      const { items } = await catalog.listImages(filter, call());
      return items.map((item) => item.name);
    };

    /** Every page of a list, in pages of `limit`. */
    const pages = async (filter: ImageFilter, limit: number) => {
      const all: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await catalog.listImages({ ...filter, limit, cursor }, call());
        all.push(...page.items.map((item) => item.name));
        cursor = page.next_cursor ?? undefined;
      } while (cursor);
      return all;
    };

    test('an image that was created is found with all it was given', async () => {
      const image = await create({
        name: 'Ælfgar',
        subtype: 'bust',
        description: 'A king.\nOld.',
        tags: ['elf', 'king of old'],
        attributes: { level: 3, traits: ['wise', null, true], note: 'x' },
        source_type: 'character',
        source_id: 'c-1',
        visibility: 'private',
      });
      const found = await catalog.findImage(image.id, call());
      assert.deepEqual(found, image);
      assert.equal(found?.version, 1);
      assert.equal(found?.content.filename, 'a.png');
      assert.match(found!.content.url, new RegExp(`^/api/v2/images/${image.id}/content\\?v=`));
    });

    test('a create whose bytes were never leased changes nothing, and may be repeated', async () => {
      const operation_id = randomUUID();
      const sha256 = hashOf('never');
      const command: Command = {
        operation: 'create_image',
        fields: fieldsOf({ name: 'unleased' }),
        content: { sha256, filename: null },
      };
      await assert.rejects(write(command, operation_id), { code: 'content_missing' });
      await lease(operation_id, 'never');
      const { replayed } = await write(command, operation_id);
      assert.equal(replayed, false);
    });

    test('the same operation again has no further effect and the same answer', async () => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id);
      const fields = fieldsOf({ name: 'once', tags: ['repeated'] });
      const content = { sha256, filename: null };
      const command: Command = { operation: 'create_image', fields, content };
      const first = await write(command, operation_id);
      const second = await write(command, operation_id);
      assert.deepEqual(second.answer, first.answer);
      assert.deepEqual([first.replayed, second.replayed], [false, true]);
      assert.ok(first.event);
      assert.equal(second.event, undefined);
      assert.deepEqual(await names({ tag: ['repeated'] }), ['once']);
    });

    test('two of the same operation at once are one', async () => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id);
      const fields = fieldsOf({ name: 'raced', tags: ['raced'] });
      const content = { sha256, filename: null };
      const command: Command = { operation: 'create_image', fields, content };
      const outcomes = await Promise.all([
        write(command, operation_id),
        write(command, operation_id),
      ]);
      assert.deepEqual(outcomes.map(({ replayed }) => replayed).sort(), [false, true]);
      assert.deepEqual(await names({ tag: ['raced'] }), ['raced']);
    });

    test('an operation id with another payload is refused', async () => {
      const operation_id = randomUUID();
      const { id } = await create();
      const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
      await write(command, operation_id, 'one');
      await assert.rejects(write(command, operation_id, 'other'), { code: 'operation_id_reused' });
    });

    test('a refusal is kept like an answer', async () => {
      const operation_id = randomUUID();
      const { id } = await create({ name: 'refused' });
      const command: Command = { operation: 'delete_image', image_id: id, if_version: 9 };
      await assert.rejects(write(command, operation_id), { code: 'precondition_failed' });
      const repeated = write(command, operation_id);
      await assert.rejects(repeated, { code: 'precondition_failed', replayed: true });
    });

    test('a command past its deadline is not executed', async () => {
      const { id } = await create();
      const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
      const late = { operation_id: randomUUID(), fingerprint: 'f', deadline: Date.now() - 1 };
      await assert.rejects(catalog.write(command, late));
      assert.equal((await catalog.findImage(id, call()))?.deleted_at, null);
    });

    test('of two changes of one version, one wins and the other is told', async () => {
      const { id } = await create();
      const change = (name: string): Command => ({
        operation: 'update_image',
        image_id: id,
        patch: { name },
        whole: false,
        if_version: 1,
      });
      const results = await Promise.allSettled([write(change('one')), write(change('two'))]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      assert.equal((await catalog.findImage(id, call()))?.version, 2);
    });

    test('a patch merges attributes by key, replaces tags, and clears by null', async () => {
      const { id } = await create({
        description: 'old',
        tags: ['a', 'b'],
        attributes: { keep: 1, drop: 2, change: 3 },
      });
      const patch = {
        description: null,
        tags: ['c'],
        attributes: { drop: null, change: [4], add: 'x' },
      };
      const command: Command = {
        operation: 'update_image',
        image_id: id,
        patch,
        whole: false,
        if_version: null,
      };
      const { answer, event } = await write(command);
      const image = answer as Image;
      assert.equal(image.description, null);
      assert.deepEqual(image.tags, ['c']);
      assert.deepEqual(image.attributes, { keep: 1, change: [4], add: 'x' });
      assert.deepEqual(event?.data.changed.sort(), ['attributes', 'description', 'tags']);
    });

    test('lists and searches follow a change at once', async () => {
      const { id } = await create({ name: 'before it', tags: ['follow-old'] });
      const patch = { name: 'afterwards', tags: ['follow-new'] };
      await write({
        operation: 'update_image',
        image_id: id,
        patch,
        whole: false,
        if_version: null,
      });
      assert.deepEqual(await names({ tag: ['follow-old'] }), []);
      assert.deepEqual(await names({ tag: ['follow-new'] }), ['afterwards']);
      assert.deepEqual(await names({ q: 'afterwards' }), ['afterwards']);
    });

    test('a deleted image is listed among the deleted alone, until it is restored', async () => {
      const { id } = await create({ name: 'gone', tags: ['gone'] });
      const remove: Command = { operation: 'delete_image', image_id: id, if_version: null };
      await write(remove);
      assert.deepEqual(await names({ tag: ['gone'] }), []);
      assert.deepEqual(await names({ tag: ['gone'], deleted: true }), ['gone']);
      assert.deepEqual(await names({ tag: ['gone'], deleted: true, sort: 'name' }), ['gone']);
      const again = await write(remove);
      assert.equal(again.event, undefined);
      const restore: Command = { operation: 'restore_image', image_id: id, if_version: null };
      assert.equal(((await write(restore)).answer as Image).version, 3);
      assert.deepEqual(await names({ tag: ['gone'] }), ['gone']);
      assert.deepEqual(await names({ tag: ['gone'], deleted: true }), []);
    });

    test('new content takes its place in filters, and the old bytes stay for a while', async () => {
      const old = await create({ tags: ['replaced'] }, { width: 100, height: 100 });
      const operation_id = randomUUID();
      const blob = await lease(operation_id, randomUUID(), { width: 900, height: 50 });
      const { answer } = await write(
        {
          operation: 'replace_content',
          image_id: old.id,
          if_sha256: old.content.sha256,
          content: { sha256: blob.sha256, filename: 'b.png' },
        },
        operation_id,
      );
      assert.equal((answer as Image).content.sha256, blob.sha256);
      assert.equal((await names({ tag: ['replaced'], min_width: 900 })).length, 1);
      assert.equal((await names({ tag: ['replaced'], min_height: 51 })).length, 0);
      assert.equal(await catalog.forgetBlob(old.content.sha256, Date.now()), false);
    });

    test('a blob is forgotten when neither an image nor a lease keeps it', async () => {
      const operation_id = randomUUID();
      const blob = await lease(operation_id);
      const now = Date.now();
      assert.equal(await catalog.forgetBlob(blob.sha256, now), false);
      assert.deepEqual(await catalog.expireLease(operation_id), [blob.sha256]);
      assert.equal(await catalog.forgetBlob(blob.sha256, now), true);
      assert.equal(await catalog.findBlob(blob.sha256), undefined);
      const image = await create();
      assert.equal(await catalog.forgetBlob(image.content.sha256, now), false);
    });

    test('an operation cannot lease two different contents', async () => {
      const operation_id = randomUUID();
      await lease(operation_id, 'first bytes');
      await lease(operation_id, 'first bytes');
      await assert.rejects(lease(operation_id, 'other bytes'), { code: 'operation_id_reused' });
    });

    test('bytes that came with a refused or repeated request are released', async () => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id, 'refused');
      const released = async () =>
        (await catalog.blobsToRelease(Date.now(), 1_000)).includes(sha256);
      const command: Command = {
        operation: 'replace_content',
        image_id: randomUUID(),
        if_sha256: null,
        content: { sha256, filename: null },
      };
      await assert.rejects(write(command, operation_id), { code: 'image_not_found' });
      assert.equal(await released(), true);
      await lease(operation_id, 'refused');
      assert.equal(await released(), false);
      await assert.rejects(write(command, operation_id), { replayed: true });
      assert.equal(await released(), true);
    });

    test('bytes leased and never claimed are bounded', async () => {
      const operation_id = randomUUID();
      const blob = blobOf('huge', {});
      const huge = { ...leaseOf(operation_id, blob.sha256), source_size_bytes: 2 ** 31 };
      const refused = catalog.addLease(huge, blob, Date.now() + 10_000);
      await assert.rejects(refused, { code: 'storage_full' });
    });

    test('a blob is to be released from the end of its lease until its bytes are gone', async () => {
      const blob = blobOf('expired', {});
      const now = Date.now();
      const expired = { ...leaseOf(randomUUID(), blob.sha256), expires_at: now - 1 };
      await catalog.addLease(expired, blob, now + 10_000);
      const toRelease = async () => (await catalog.blobsToRelease(now, 100)).includes(blob.sha256);
      assert.equal(await toRelease(), true);
      assert.equal(await catalog.forgetBlob(blob.sha256, now), true);
      assert.equal(await toRelease(), true);
      await catalog.blobDeleted(blob.sha256);
      assert.equal(await toRelease(), false);
    });

    test('uploads that nobody will claim can be given up together', async () => {
      const blob = await lease(randomUUID());
      const now = Date.now();
      assert.equal((await catalog.blobsToRelease(now, 100)).includes(blob.sha256), false);
      await catalog.expireUploadLeases();
      assert.equal((await catalog.blobsToRelease(now, 100)).includes(blob.sha256), true);
    });

    test('an answer is forgotten after a day, and then the operation is executed anew', async () => {
      const operation_id = randomUUID();
      const { id } = await create();
      const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
      await write(command, operation_id);
      await catalog.forget(Date.now() + 25 * 60 * 60 * 1000, 100_000);
      assert.equal((await write(command, operation_id)).replayed, false);
    });

    test('purging removes what was deleted before, for good, and keeps its bytes a while', async () => {
      const kept = await create({ name: 'kept', tags: ['purge'] });
      const { id, content } = await create({ name: 'purged', tags: ['purge'] });
      await write({ operation: 'delete_image', image_id: id, if_version: null });
      await catalog.purge(Date.now() - 60_000, 100);
      assert.ok(await catalog.findImage(id, call()), 'purged too early');
      await catalog.purge(Date.now() + 1, 100);
      assert.equal(await catalog.findImage(id, call()), undefined);
      assert.deepEqual(await names({ tag: ['purge'], deleted: true }), []);
      assert.equal(await catalog.forgetBlob(content.sha256, Date.now()), false);
      const restore: Command = { operation: 'restore_image', image_id: id, if_version: null };
      await assert.rejects(write(restore), { code: 'image_not_found' });
      assert.deepEqual(await names({ tag: ['purge'] }), [kept.name]);
    });

    describe('filters', () => {
      const zoo: [string, Partial<ImageFields>, Partial<Blob>][] = [
        ['a', { type: 'portrait', theme: 'fantasy', tags: ['zoo', 'fey'] }, { width: 10 }],
        ['b', { type: 'token', theme: 'high_fantasy', tags: ['zoo', 'fey', 'ork'] }, { width: 20 }],
        ['c', { type: 'map', theme: 'horror', tags: ['zoo', 'ork'], subtype: 'cave' }, {}],
        [
          'd',
          { tags: ['zoo'], attributes: { level: 5, ok: true, list: ['x', 7], 'a.b-c_d': 'dot' } },
          { media_type: 'image/gif', height: 5_000 },
        ],
        ['e', { tags: ['zoo'], attributes: { level: '5', none: null }, visibility: 'private' }, {}],
        ['f', { tags: ['zoo'], source_type: 'npc', source_id: 'n 1', theme: 'my_own' }, {}],
      ];
      before(async () => {
        for (const [name, fields, facts] of zoo) await create({ name, ...fields }, facts);
      });
      const found = async (filter: ImageFilter) =>
        (await names({ tag: ['zoo'], ...filter, sort: 'created_at' })).join('');

      const cases: [string, ImageFilter, string][] = [
        ['a type', { type: ['portrait'], tag: ['zoo', 'fey'] }, 'a'],
        ['one of two types', { type: ['token', 'map'] }, 'bc'],
        ['all of two tags', { tag: ['fey', 'ork', 'zoo'] }, 'b'],
        ['a theme with its descendants', { theme: ['fantasy'], tag: ['zoo', 'fey'] }, 'ab'],
        ['a descendant alone', { theme: ['high_fantasy'] }, 'b'],
        ['a synonym', { theme: ['gothic'] }, 'c'],
        ['a synonym of several words', { theme: ['sword and sorcery'], tag: ['fey'] }, 'ab'],
        ['a theme that nobody described', { theme: ['my_own'] }, 'f'],
        ['a theme that is not there', { theme: ['nowhere'] }, ''],
        ['a subtype', { subtype: ['cave'] }, 'c'],
        ['a number as its JSON text, like a string', { attr: { level: ['5'] } }, 'de'],
        ['a boolean as its JSON text', { attr: { ok: ['true'] } }, 'd'],
        ['null as its JSON text', { attr: { none: ['null'] } }, 'e'],
        ['an element of an array', { attr: { list: ['7'] } }, 'd'],
        ['two attributes', { attr: { level: ['5'], list: ['x'] } }, 'd'],
        ['one of two attribute values', { attr: { level: ['5', '6'] } }, 'de'],
        ['a key of all allowed characters', { attr: { 'a.b-c_d': ['dot'] } }, 'd'],
        ['a format', { format: ['gif'] }, 'd'],
        ['a source', { source_type: ['npc'], source_id: ['n 1'] }, 'f'],
        ['visibility', { visibility: ['private'] }, 'e'],
        ['a least width', { min_width: 11, tag: ['fey'] }, 'b'],
        ['a least height', { min_height: 5_000 }, 'd'],
        ['an owner that nobody is', { owner: ['me'] }, ''],
      ];
      for (const [what, filter, expected] of cases) {
        test(`find by ${what}`, async () => {
          assert.equal(await found(filter), expected);
        });
        test(`find by ${what} in the order of names`, async () => {
          const { items } = await catalog.listImages(
            { tag: ['zoo'], ...filter, sort: 'name' },
            call(),
          );
          assert.equal(items.map((item) => item.name).join(''), expected);
        });
      }

      test('find by time, both ends excluded', async () => {
        const { items } = await catalog.listImages({ tag: ['zoo'], sort: 'created_at' }, call());
        const [a, , c] = items as [Image, Image, Image];
        const after = items.filter((item) => item.created_at > a.created_at);
        assert.equal(
          await found({ created_after: a.created_at }),
          after.map((item) => item.name).join(''),
        );
        const before = items.filter((item) => item.created_at < c.created_at);
        assert.equal(
          await found({ created_before: c.created_at }),
          before.map((item) => item.name).join(''),
        );
        const justAfter = c.created_at.replace('Z', '0001Z');
        const upToC = items.filter((item) => item.created_at <= c.created_at);
        assert.equal(
          await found({ created_before: justAfter }),
          upToC.map((item) => item.name).join(''),
        );
      });
    });

    describe('search', () => {
      before(async () => {
        await create({
          name: 'Élan of the Glade',
          theme: 'none',
          tags: ['query'],
          description: 'green_cloak',
        });
        await create({ name: 'Dragon rider', tags: ['query', 'wyvern'], theme: 'horror' });
        await create({ name: '100% "wild" NEAR(x)', tags: ['query'], theme: 'western' });
        await create({
          name: 'plain',
          theme: 'none',
          tags: ['query'],
          attributes: { guild: ['Thieves'], n: 42 },
        });
        await create({ name: 'son', tags: ['query'], theme: 'high_fantasy' });
      });
      const cases: [string, string, string[]][] = [
        ['ignores accents and case', 'elan GLADE', ['Élan of the Glade']],
        ['joins words by AND', 'elan dragon', []],
        ['takes the last word as a beginning', 'dragon rid', ['Dragon rider']],
        ['takes no other word as a beginning', 'drag rider', []],
        ['finds a long beginning', 'drago', ['Dragon rider']],
        ['finds tags', 'wyvern', ['Dragon rider']],
        ['finds descriptions, split at what is no letter', 'cloak', ['Élan of the Glade']],
        ['finds attribute values', 'thieves', ['plain']],
        ['finds numbers among attribute values', '42', ['plain']],
        ['finds a theme', 'horror', ['Dragon rider']],
        ['finds a theme by its synonym', 'gothic', ['Dragon rider']],
        ['finds a theme by the beginning of its synonym', 'eldr', ['Dragon rider']],
        ['finds a theme by its parent', 'fantasy', ['son']],
        ['takes operators literally', 'NEAR(x)', ['100% "wild" NEAR(x)']],
        ['takes quotes and signs literally', '"100%" AND wild', []],
        ['needs two letters for a beginning', 'd', []],
      ];
      for (const [what, q, expected] of cases) {
        test(`${what}: ${q}`, async () => {
          const found = await names({ tag: ['query'], q });
          assert.deepEqual(found, expected);
        });
      }

      test('refuses what holds no word, and more words than its limit', async () => {
        await assert.rejects(names({ q: '%_"' }), { code: 'invalid_request' });
        const words = Array.from({ length: 17 }, (_, index) => `w${index}`).join(' ');
        await assert.rejects(names({ q: words }), { code: 'invalid_request' });
      });
    });

    describe('pages', () => {
      before(async () => {
        for (const letter of 'mnopqrstuv') {
          const fields = { name: `page ${letter}`, tags: ['pages'] };
          await create(letter < 'p' ? fields : { ...fields, name: 'page same' });
        }
      });

      for (const sort of ['-created_at', 'created_at', '-updated_at', 'name'] as const) {
        for (const limit of [1, 3, 10, 200]) {
          test(`of ${limit} by ${sort} hold every image once, in one order`, async () => {
            const { items } = await catalog.listImages(
              { tag: ['pages'], sort, limit: 200 },
              call(),
            );
            const whole = items.map((item) => item.name);
            assert.equal(whole.length, 10);
            assert.deepEqual(await pages({ tag: ['pages'], sort }, limit), whole);
          });
        }
      }

      test('do not repeat or skip an image when others come in between', async () => {
        const first = await catalog.listImages({ tag: ['pages'], limit: 4 }, call());
        await create({ name: 'newcomer', tags: ['pages'] });
        const cursor = first.next_cursor!;
        const rest = await catalog.listImages({ tag: ['pages'], limit: 200, cursor }, call());
        assert.equal(rest.items.length, 6);
        assert.ok(!rest.items.some((item) => item.name === 'newcomer'));
      });

      test('refuse a cursor that was altered, or belongs to other filters or another sort', async () => {
        const { next_cursor } = await catalog.listImages({ tag: ['pages'], limit: 2 }, call());
        const cursor = next_cursor!;
        const altered = `${cursor.slice(0, -2)}${cursor.endsWith('A') ? 'B' : 'A'}${cursor.at(-1)}`;
        for (const filter of [
          { tag: ['pages'], cursor: altered },
          { tag: ['pages'], cursor: 'nonsense' },
          { tag: ['pages'], cursor: '' },
          { tag: ['other'], cursor },
          { tag: ['pages'], sort: 'name' as const, cursor },
        ]) {
          await assert.rejects(catalog.listImages(filter, call()), { code: 'cursor_invalid' });
        }
        const page = await catalog.listImages({ tag: ['pages'], limit: 5, cursor }, call());
        assert.equal(page.items.length, 5);
      });
    });

    describe('themes', () => {
      const put = async (theme: string, fields: object) =>
        (await write({ operation: 'put_theme', name: theme, fields })).answer as {
          theme: { name: string; display_name: string; parent: string | null };
          created: boolean;
        };
      const theme = async (wanted: string) =>
        (await catalog.listThemes(call())).find(({ name }) => name === wanted);

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

      test('change what lists find at once', async () => {
        await create({ name: 'gear', theme: 'clockpunk', tags: ['vocabulary'] });
        assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['tick tock'] }), []);
        await put('clockpunk', { parent: 'steampunk', synonyms: ['Tick Tock'] });
        assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['tick tock'] }), ['gear']);
        assert.deepEqual(await names({ tag: ['vocabulary'], theme: ['steampunk'] }), ['gear']);
        assert.deepEqual(await names({ tag: ['vocabulary'], q: 'tock' }), ['gear']);
      });

      test('are never their own ancestor, nor too deep, nor under an unknown one', async () => {
        await put('t1', {});
        for (let depth = 2; depth <= 5; depth++)
          await put(`t${depth}`, { parent: `t${depth - 1}` });
        await assert.rejects(put('t1', { parent: 't3' }), { code: 'theme_cycle' });
        await assert.rejects(put('t1', { parent: 't1' }), { code: 'theme_cycle' });
        await assert.rejects(put('t6', { parent: 't5' }), { code: 'invalid_request' });
        await assert.rejects(put('t1', { parent: 'fantasy' }), { code: 'invalid_request' });
        await assert.rejects(put('t7', { parent: 'unheard_of' }), { code: 'invalid_request' });
      });
    });

    test('many writes at once all take effect', async () => {
      const created = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          create({ name: `bulk ${index}`, tags: ['bulk'] }),
        ),
      );
      assert.equal(new Set(created.map(({ id }) => id)).size, 100);
      assert.equal((await pages({ tag: ['bulk'] }, 30)).length, 100);
    });

    test('events name the change', async () => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id);
      const fields = fieldsOf({ theme: 'noir_detective' });
      const content = { sha256, filename: null };
      const { event, answer }: Written = await write(
        { operation: 'create_image', fields, content },
        operation_id,
      );
      assert.equal(event?.event_type, 'image.created');
      assert.equal(event?.data.image_id, (answer as Image).id);
      assert.equal(event?.data.sha256, sha256);
      assert.equal(event?.data.theme, 'noir_detective');
    });

    test('checks find nothing wrong after all this, and rebuilding changes nothing', async () => {
      assert.deepEqual(await catalog.check(), []);
      const before = await names({ q: 'drag', limit: 200 });
      await catalog.rebuild();
      assert.deepEqual(await catalog.check(), []);
      assert.deepEqual(await names({ q: 'drag', limit: 200 }), before);
    });

    test('tidying ends, and changes no answer', async () => {
      const before = await names({ limit: 200 });
      while (await catalog.tidy());
      assert.deepEqual(await names({ limit: 200 }), before);
    });

    test('a call ends at its deadline', async () => {
      const over = { ...call(), deadline: Date.now() - 1 };
      await assert.rejects(catalog.listImages({}, over), { code: 'deadline_exceeded' });
      await sleep(0);
      await catalog.ping(call());
    });
  });
}

function call(): Call {
  const signal = AbortSignal.timeout(10_000);
  return { requestId: 'test', deadline: Date.now() + 10_000, signal };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function blobOf(text: string, facts: Partial<Blob>): Blob {
  return {
    sha256: hashOf(text),
    size_bytes: 1_000,
    media_type: 'image/png',
    width: 64,
    height: 64,
    pages: 1,
    placeholder: 'AAAA',
    palette: ['#102030'],
    ...facts,
  };
}

function leaseOf(operation_id: string, sha256: string) {
  const expires_at = Date.now() + 60_000;
  return { operation_id, sha256, source_sha256: sha256, source_size_bytes: 1_000, expires_at };
}

function fieldsOf(fields: Partial<ImageFields>): ImageFields {
  return { type: 'portrait', name: 'nameless', theme: 'fantasy', ...fields };
}
