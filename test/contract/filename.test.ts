import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { safeFilename } from '../../src/contract/filename.ts';

describe('the name of a file that was sent', () => {
  const cases: [string, string | null | undefined, string | null][] = [
    ['is kept', 'Elf 🧝.png', 'Elf 🧝.png'],
    ['loses its folders', '../../etc/passwd', 'passwd'],
    ['loses the folders of Windows', 'C:\\Users\\me\\elf.png', 'elf.png'],
    ['loses line breaks and NUL', 'a\r\nSet-Cookie: x\u0000.png', 'aSet-Cookie: x.png'],
    ['loses marks that turn its direction', 'x\u202egnp.exe', 'xgnp.exe'],
    ['loses halves of surrogate pairs', 'a\ud800.png', 'a.png'],
    ['keeps quotes, which headers escape', 'a"b.png', 'a"b.png'],
    ['is none when it is absent', undefined, null],
    ['is none when nothing is left', '/\u0007/', null],
    ['is none when it means a folder', 'a/..', null],
  ];
  for (const [what, sent, expected] of cases) {
    test(what, () => {
      assert.equal(safeFilename(sent), expected);
    });
  }

  test('is cut at 255 characters', () => {
    assert.equal(safeFilename('🐉'.repeat(10_000)), '🐉'.repeat(255));
  });
});
