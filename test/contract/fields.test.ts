import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServiceError } from '../../src/contract/errors.ts';
import {
  createFields,
  patchFields,
  themeFields,
  themeName,
  wholeFields,
} from '../../src/contract/fields.ts';

const GOOD = { type: 'portrait', name: 'Elf', theme: 'high_fantasy' };

/** The fields that are refused, in the order of the alphabet. */
function faulty(check: () => unknown): string[] {
  let fields: string[] = [];
  assert.throws(check, (error: ServiceError) => {
    assert.equal(error.code, 'invalid_request');
    fields = error.errors.map(({ field }) => field).sort();
    return true;
  });
  return fields;
}

describe('the fields of an image', () => {
  test('are brought into one form', () => {
    const fields = createFields({
      ...GOOD,
      name: '  E\u0301lan ',
      tags: ['Elf ', 'elf', 'KING', 'cafe\u0301'],
    });
    assert.equal(fields.name, 'Élan');
    assert.deepEqual(fields.tags, ['elf', 'king', 'café']);
    assert.deepEqual(createFields(fields), fields);
  });

  test('name every fault at once, each with what would be right', () => {
    const check = () => createFields({ type: 'hero', theme: '!!!', tags: [''], size: 1 });
    assert.deepEqual(faulty(check), ['name', 'size', 'tags', 'theme', 'type']);
    assert.throws(check, (error: ServiceError) => {
      const type = error.errors.find(({ field }) => field === 'type');
      assert.match(type!.message, /portrait, token, map, item, other/);
      return true;
    });
  });

  const refused: [string, object, string[]][] = [
    ['a name that is blank', { name: '   ' }, ['name']],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, ['name']],
    ['a name with a control character', { name: 'a\u0000b' }, ['name']],
    ['a name of two lines', { name: 'a\nb' }, ['name']],
    ['text that was not UTF-8', { name: 'a\ufffd' }, ['name']],
    ['half a surrogate pair', { name: 'a\ud800' }, ['name']],
    ['a theme of 51 characters', { theme: 'x'.repeat(51) }, ['theme']],
    ['a theme with a path', { theme: '..%2f' }, ['theme']],
    ['65 tags', { tags: Array.from({ length: 65 }, (_, n) => `t${n}`) }, ['tags']],
    ['nested attributes', { attributes: { a: { b: 1 } } }, ['attributes']],
    ['an attribute key that begins with a digit', { attributes: { '1a': 1 } }, ['attributes']],
    ['an attribute key of 51 characters', { attributes: { ['k'.repeat(51)]: 1 } }, ['attributes']],
    ['the key constructor', { attributes: { constructor: 1 } }, ['attributes']],
    ['the key prototype', { attributes: { prototype: 1 } }, ['attributes']],
    ['the key __proto__', { attributes: JSON.parse('{"__proto__": 1}') }, ['attributes']],
    ['attributes over 16 KiB', { attributes: { a: 'x'.repeat(16_384) } }, ['attributes']],
    ['an array for attributes', { attributes: [1] }, ['attributes']],
    ['an infinite number', { attributes: { a: Number.POSITIVE_INFINITY } }, ['attributes']],
  ];
  for (const [what, fields, expected] of refused) {
    test(`refuse ${what}`, () => {
      assert.deepEqual(
        faulty(() => createFields({ ...GOOD, ...fields })),
        expected,
      );
    });
  }

  const themes: [string, string][] = [
    ['high_fantasy', 'high_fantasy'],
    ['High Fantasy', 'high_fantasy'],
    ['  HIGH-fantasy ', 'high_fantasy'],
    ['High  Fantasy!', 'high_fantasy'],
    ['High\u2013Fantasy', 'high_fantasy'],
    ["Dragon's Lair", 'dragons_lair'],
    ['Dragon\u2019s Lair', 'dragons_lair'],
    ['Swords & Sorcery', 'swords_sorcery'],
    ['T\u00e9n\u00e8bres', 'tenebres'],
    ['Te\u0301ne\u0300bres', 'tenebres'],
    ['\u0141otr', 'lotr'],
    ['Stra\u00dfe', 'strasse'],
  ];
  for (const [said, kept] of themes) {
    test(`take ${JSON.stringify(said)} for the theme ${kept}, at every door`, () => {
      assert.equal(createFields({ ...GOOD, theme: said }).theme, kept);
      assert.equal(wholeFields({ ...GOOD, theme: said }).theme, kept);
      assert.equal(patchFields({ theme: said }).theme, kept);
      assert.equal(themeName(said), kept);
      assert.equal(themeFields({ parent: said }).parent, kept);
    });
  }

  for (const theme of [
    '!!!',
    '',
    ' ',
    '_',
    'a__b',
    '__proto__',
    'ホラー',
    'Ужасы 2',
    '../etc',
    'a%20b',
    'a\nb',
    'a\u0000b',
  ]) {
    test(`say what a theme must look like instead of ${JSON.stringify(theme)}`, () => {
      for (const refused of [
        () => patchFields({ theme }),
        () => themeName(theme),
        () => themeFields({ parent: theme }),
      ]) {
        assert.throws(refused, (error: ServiceError) => {
          assert.match(error.message, /letters from a to z, digits .* such as high_fantasy/);
          return true;
        });
      }
    });
  }

  test('have their type and visibility in any case', () => {
    const { type, visibility } = createFields({
      ...GOOD,
      type: 'Portrait',
      visibility: 'PRIVATE ',
    });
    assert.deepEqual([type, visibility], ['portrait', 'private']);
  });

  test('count characters, not their halves', () => {
    assert.equal([...createFields({ ...GOOD, name: '🐉'.repeat(255) }).name].length, 255);
    assert.deepEqual(
      faulty(() => createFields({ ...GOOD, name: '🐉'.repeat(256) })),
      ['name'],
    );
  });

  test('may have a description of several lines', () => {
    const description = 'first\n\tsecond\r\n';
    assert.equal(createFields({ ...GOOD, description }).description, description);
  });

  test('are all needed when they replace the whole, and none when they patch', () => {
    assert.deepEqual(
      faulty(() => wholeFields({ name: 'x' })),
      ['theme', 'type'],
    );
    assert.deepEqual(patchFields({}), {});
    assert.deepEqual(
      faulty(() => patchFields({ name: null, id: 'x' })),
      ['id', 'name'],
    );
    assert.deepEqual(
      faulty(() => patchFields('text')),
      [''],
    );
  });
});
