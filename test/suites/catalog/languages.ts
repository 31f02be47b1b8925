import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Catalog } from '../../../src/storage-service/catalog/catalog.ts';
import { drive } from './drive.ts';

/** Searches of texts that are not plain English. */
export function catalogLanguages(opened: () => Catalog): void {
  const { write, create, names } = drive(opened);
  describe('search in any language', () => {
    const rows = [
      '森のエルフの弓使い',
      '黒龍之王',
      '𠮷野の剣士',
      'คนแคระนักรบ',
      'ນັກຮົບມັງກອນ',
      'អ្នកចម្បាំងនាគ',
      'နဂါးစစ်သည်',
      '붉은드래곤기사단',
      'ﾄﾞﾜｰﾌの鍛冶屋',
      'Elfエルフ42号',
      'ジャン・ヴァルジャン',
      'योद्धा और अजगर',
      'Bjørn Łukasz Ægir Œuvre',
      'Straße Þórr Đức Ħal Ŋaro Ŧor Ƶed',
      'Işık İstanbul ODYSSEUS ΟΔΥΣΣΕΥΣ',
      'Müller ﬁre',
      'Dragon’s Lair',
      "O'Brien d’Artagnan",
      'Half-elf ranger_of_the_north',
      'tamed 🐉 by 🧙🏽‍♀️ ⚔️ 🇩🇪',
      'Golem™ Forge',
    ] as const;
    before(async () => {
      for (const name of rows) await create({ name, tags: ['tongues'], theme: 'none' });
    });
    const cases: [string, string, string[]][] = [
      ['Japanese words', rows[0], ['エルフ', '弓使い', 'のエルフの', '森', '森 弓使い', '使い']],
      ['a Chinese word and a single character', rows[1], ['龍', '黒龍', '之王']],
      ['a character beyond 16 bits', rows[2], ['𠮷', '𠮷野', '剣士']],
      ['Thai words', rows[3], ['นักรบ', 'คนแคระ', 'แคระ']],
      ['a Lao word', rows[4], ['ມັງກອນ']],
      ['a Khmer word', rows[5], ['នាគ']],
      ['a Burmese word', rows[6], ['စစ်သည်']],
      [
        'words within a Korean compound',
        rows[7],
        ['드래곤', '기사', '곤', '붉은드래곤'.normalize('NFD')],
      ],
      ['katakana of half and full width', rows[8], ['ドワーフ', 'ﾜｰﾌ', '鍛冶']],
      [
        'both sides of a change of script',
        rows[9],
        ['elf', 'エルフ', 'エルフ elf', '42', 'elfエルフ'],
      ],
      ['names joined by a middle dot', rows[10], ['ジャンヴァルジャン', 'ヴァルジャン']],
      ['vowels that are marks', rows[11], ['योद्धा', 'अजग']],
      ['letters with strokes', rows[12], ['bjorn', 'BJØRN', 'lukasz', 'aegir', 'œuv', 'oeuvre']],
      [
        'letters of several',
        rows[13],
        ['strasse', 'STRASSE', 'STRAẞE', 'thorr', 'duc hal', 'naro tor zed'],
      ],
      [
        'dotless letters and final sigma',
        rows[14],
        ['ışık', 'isik', 'istanbul', 'οδυσσευς', 'ΟΔΥΣΣΕΎΣ'],
      ],
      ['umlauts and ligatures', rows[15], ['muller', 'mu\u0308ller', 'fire', 'ﬁre']],
      [
        'possessives',
        rows[16],
        ['dragons', "dragon's", 'dragon’s lair', 'dragon', "DRAGON'", 'dragons la'],
      ],
      [
        'names with an apostrophe',
        rows[17],
        ['obrien', "o'brien", 'brien', 'o brien', 'dartagnan', "d'artagn"],
      ],
      [
        'words joined by a hyphen',
        rows[18],
        ['half', 'elf ranger', 'half-elf', 'halfelf', 'half elf', 'half-e'],
      ],
      ['words joined by an underscore', rows[18], ['north', 'ranger_of_the_north', 'ranger of']],
      ['emoji', rows[19], ['🐉', '🧙', '🧙‍♀️', '🧙🏿', '⚔', '⚔️ 🐉', '🇩🇪', 'tamed 🐉', '🐉tamed']],
      ['words with a sign of law', rows[20], ['golem forge']],
    ];
    for (const [what, expected, queries] of cases) {
      test(`finds ${what}`, async () => {
        for (const q of queries) {
          const found = await names({ tag: ['tongues'], q });
          assert.ok(found.includes(expected), `${q} found ${JSON.stringify(found)}`);
        }
      });
    }

    test('finds no characters that do not stand side by side', async () => {
      for (const q of ['弓エルフ', '王之', 'かき', '🐲', '🇫🇷', 'halfranger', 'obrian', 'ドワル']) {
        assert.deepEqual(await names({ tag: ['tongues'], q }), [], q);
      }
    });

    test('finds a theme by a word within its name or synonym', async () => {
      const fields = { display_name: '東方の幻想', synonyms: ['Märchen-Welt'] };
      await write({ operation: 'put_theme', name: 'eastern', fields });
      await create({ name: 'crane', theme: 'eastern', tags: ['by theme'] });
      for (const q of ['幻想', '東方', 'marchen', 'märchenwelt', 'welt', '幻']) {
        assert.deepEqual(await names({ tag: ['by theme'], q }), ['crane'], q);
      }
      assert.deepEqual(await names({ tag: ['by theme'], theme: ['marchen-welt'] }), ['crane']);
    });

    test('takes text of any length, in rows and in queries', async () => {
      const many = Array.from({ length: 4_000 }, (_, i) => String.fromCodePoint(0x4e00 + i));
      await create({ name: 'long', description: many.join(''), tags: ['long'] });
      const found = (q: string) => names({ tag: ['long'], q });
      assert.deepEqual(await found(many.slice(0, 1_000).join('')), ['long']);
      assert.deepEqual(await found(many.slice(-3).join('')), ['long']);
      const runs = Array.from({ length: 16 }, (_, i) => many.slice(i * 60, i * 60 + 60).join(''));
      assert.deepEqual(await found(runs.join(' ')), ['long']);
      await assert.rejects(found(many.slice(0, 17).join(' ')), { code: 'invalid_request' });
    });
  });
}
