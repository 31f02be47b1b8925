import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Image, ImageFields, ImageFilter } from '../../../src/contract/image.ts';
import type { Blob, Catalog } from '../../../src/storage-service/catalog/catalog.ts';
import { call, drive } from './drive.ts';

/** Filters, searches, pages. */
export function catalogLists(opened: () => Catalog): void {
  const { create, list, names, pages } = drive(opened);
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
      ['a display name in any case', { theme: ['HIGH Fantasy'] }, 'b'],
      ['a synonym in other signs', { theme: ['Sword-and-Sorcery'], tag: ['fey'] }, 'ab'],
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
        const { items } = await list({ tag: ['zoo'], ...filter, sort: 'name' });
        assert.equal(items.map((item) => item.name).join(''), expected);
      });
    }

    test('find words by their beginnings, whenever they came', async () => {
      const words = Array.from({ length: 5_000 }, (_, i) => `quonk${String(i).padStart(4, '0')}`);
      for (let i = 0; i < words.length; i += 500) {
        const tags = ['zoo', 'crowd'];
        await create({ name: `${i}`, tags, description: words.slice(i, i + 500).join(' ') });
      }
      for (const [q, expected] of [
        ['quonk001', '0'],
        ['quonk222', '2000'],
        ['quonk499', '4500'],
        ['quonk5', ''],
      ] as const) {
        assert.equal(await found({ tag: ['crowd'], q }), expected);
      }
    });

    test('find by time, both ends excluded', async () => {
      const { items } = await list({ tag: ['zoo'], sort: 'created_at' });
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

    test('leaves out what holds no word, and says so', async () => {
      const tag = ['query'];
      const { items, hints } = await list({ tag, q: '%_"' });
      assert.equal(items.length, (await list({ tag })).items.length);
      assert.deepEqual(
        hints?.map(({ field }) => field),
        ['q'],
      );
      assert.match(hints![0]!.message, /"%_\\"" holds no word/);
      assert.equal((await list({ tag, q: 'elan' })).hints, undefined);
    });

    test('refuses more words than its limit', async () => {
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
          const { items } = await list({ tag: ['pages'], sort, limit: 200 });
          const whole = items.map((item) => item.name);
          assert.equal(whole.length, 10);
          assert.deepEqual(await pages({ tag: ['pages'], sort }, limit), whole);
        });
      }
    }

    test('do not repeat or skip an image when others come in between', async () => {
      const first = await list({ tag: ['pages'], limit: 4 });
      await create({ name: 'newcomer', tags: ['pages'] });
      const cursor = first.next_cursor!;
      const rest = await list({ tag: ['pages'], limit: 200, cursor });
      assert.equal(rest.items.length, 6);
      assert.ok(!rest.items.some((item) => item.name === 'newcomer'));
    });

    test('refuse a cursor that was altered, or belongs to other filters or another sort', async () => {
      const { next_cursor } = await list({ tag: ['pages'], limit: 2 });
      const cursor = next_cursor!;
      const altered = `${cursor.slice(0, -2)}${cursor.endsWith('A') ? 'B' : 'A'}${cursor.at(-1)}`;
      for (const filter of [
        { tag: ['pages'], cursor: altered },
        { tag: ['pages'], cursor: 'nonsense' },
        { tag: ['pages'], cursor: '' },
        { tag: ['other'], cursor },
        { tag: ['pages'], sort: 'name' as const, cursor },
      ]) {
        await assert.rejects(opened().listImages(filter, call()), { code: 'cursor_invalid' });
      }
      const page = await list({ tag: ['pages'], limit: 5, cursor });
      assert.equal(page.items.length, 5);
    });
  });
}
