import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServiceError } from '../../src/contract/errors.ts';
import { createFields } from '../../src/contract/fields.ts';
import { listFilter } from '../../src/contract/list-filter.ts';

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
    assert.deepEqual(filter, { theme: ['sword_and_sorcery'], tag: ['elf'] });
  });

  test('is the same for all ways to say the same', () => {
    const same: [object, object][] = [
      [{ theme: ['High Fantasy'] }, { theme: ['HIGH-FANTASY', 'high_fantasy'] }],
      [{ type: ['map', 'token'] }, { type: ['TOKEN', 'map', 'token'] }],
      [
        { format: ['jpeg'], type: ['map'] },
        { type: 'Map', format: ' JPG' },
      ],
      [{ tag: ['b', 'a'] }, { tag: 'A, b' }],
      [{ tag: ['a,b'] }, { tag: '"a,b"' }],
      [{ tag: ['[x'] }, { tag: '[X' }],
      [{ visibility: ['private'] }, { visibility: ['Private'] }],
      [{ deleted: true }, { deleted: 'True' }],
      [{ deleted: true }, { deleted: '1' }],
      [{}, { deleted: 'FALSE', sort: '-Created_At', limit: '50', min_width: 1 }],
      [
        { limit: 3, min_width: 64 },
        { limit: ' 3', min_width: '64' },
      ],
      [{ sort: 'name' }, { sort: 'Name' }],
      [{ source_id: ['42'] }, { source_id: 42 }],
      [{ attr: { b: ['true'], a: ['3', 'x'] } }, { attr: { a: ['x', 3], b: true } }],
      [{ attr: { a: [''] } }, { attr: { a: '' } }],
      [
        {},
        { q: ' ', theme: '', tag: [''], owner: [' '], created_after: '', cursor: '', limit: '' },
      ],
    ];
    for (const [one, other] of same) {
      assert.equal(JSON.stringify(listFilter(one)), JSON.stringify(listFilter(other)));
      assert.equal(JSON.stringify(listFilter(listFilter(one))), JSON.stringify(listFilter(one)));
    }
  });

  const told: [object, RegExp][] = [
    [{ limit: 0 }, /^limit must be a whole number from 1 to 200, not 0\.$/],
    [{ limit: '1000' }, /to 200, not 1000\.$/],
    [{ min_width: 'abc' }, /must be a whole number from 1 to \d+, not "abc"\.$/],
    [{ type: ['hero'] }, /portrait, .*, not "hero"\.$/],
    [{ deleted: 'yes' }, /^deleted must be true or false, not "yes"\.$/],
    [{ created_after: 'yesterday' }, /such as .*, not "yesterday"\.$/],
    [{ created_after: '2026-02-30T00:00:00Z' }, /not "2026-02-30T00:00:00Z"\.$/],
    [{ subtype: 'x'.repeat(5_000) }, /not "x{99}\u2026\.$/],
  ];
  for (const [filter, message] of told) {
    test(`names what was sent and what would be right: ${JSON.stringify(filter).slice(0, 60)}`, () => {
      assert.throws(() => listFilter(filter), { message });
    });
  }

  test('names a key that would change the filter itself', () => {
    assert.deepEqual(
      faulty(() => listFilter(JSON.parse('{"__proto__": ["x"]}'))),
      ['__proto__'],
    );
  });
});
