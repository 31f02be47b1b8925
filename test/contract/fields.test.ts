import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServiceError } from '../../src/contract/errors.ts';
import { createFields, listFilter, patchFields, wholeFields } from '../../src/contract/fields.ts';

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
    const check = () => createFields({ type: 'hero', theme: 'High Fantasy', tags: [''], size: 1 });
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

describe('the filter of a list', () => {
  const refused: [string, object, string[]][] = [
    ['a limit of 0', { limit: 0 }, ['limit']],
    ['a limit of 201', { limit: 201 }, ['limit']],
    ['a time without a zone', { created_after: '2026-01-31T18:00:00' }, ['created_after']],
    ['a time that does not exist', { created_before: '2026-13-41T18:00:00Z' }, ['created_before']],
    ['30 February', { created_after: '2026-02-30T00:00:00Z' }, ['created_after']],
    ['the hour 24', { created_after: '2026-01-01T24:00:00Z' }, ['created_after']],
    ['an unknown sort', { sort: 'size' }, ['sort']],
    ['a sort by name together with q', { sort: 'name', q: 'elf' }, ['sort']],
    ['a format that is not taken', { format: ['bmp'] }, ['format']],
    ['a forbidden attribute key', { attr: { constructor: ['1'] } }, ['attr']],
    ['51 values', { tag: Array.from({ length: 51 }, (_, n) => `t${n}`) }, ['tag']],
  ];
  for (const [what, filter, expected] of refused) {
    test(`refuses ${what}`, () => {
      assert.deepEqual(
        faulty(() => listFilter(filter)),
        expected,
      );
    });
  }

  test('says what each value should have been', () => {
    assert.throws(
      () => listFilter({ format: ['bmp'], type: [] }),
      (error: ServiceError) => {
        const [type, format] = ['type', 'format'].map(
          (name) => error.errors.find(({ field }) => field === name)?.message,
        );
        assert.match(type!, /portrait/);
        assert.match(format!, /png, jpeg/);
        return true;
      },
    );
  });

  test('takes a time in lower case', () => {
    assert.ok(listFilter({ created_after: '2026-01-31t18:00:00z' }));
  });

  test('brings what is compared into the form in which it is kept', () => {
    const decomposed = 're\u0301sume\u0301 ';
    const kept = createFields({ ...GOOD, subtype: decomposed, source_id: decomposed });
    const found = listFilter({ subtype: [decomposed], source_id: [decomposed] });
    assert.deepEqual([found.subtype, found.source_id], [[kept.subtype], [kept.source_id]]);
    const filter = listFilter({ tag: [' ELF'], theme: ['Sword and Sorcery '] });
    assert.deepEqual(filter, { tag: ['elf'], theme: ['sword and sorcery'] });
  });
});
