import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRanges, partHeads } from '../../src/http/ranges.ts';

const SIZE = 100;

test('a range has both its ends', () => {
  assert.deepEqual(parseRanges('bytes=10-19', SIZE), [{ first: 10, last: 19 }]);
  assert.deepEqual(parseRanges('BYTES=0-0', SIZE), [{ first: 0, last: 0 }]);
});

test('an open range goes to the end, a suffix is counted from it', () => {
  assert.deepEqual(parseRanges('bytes=90-', SIZE), [{ first: 90, last: 99 }]);
  assert.deepEqual(parseRanges('bytes=-10', SIZE), [{ first: 90, last: 99 }]);
  assert.deepEqual(parseRanges('bytes=-500', SIZE), [{ first: 0, last: 99 }]);
});

test('an end past the content is cut to it', () => {
  assert.deepEqual(parseRanges('bytes=50-5000', SIZE), [{ first: 50, last: 99 }]);
  assert.deepEqual(parseRanges(`bytes=50-${'9'.repeat(400)}`, SIZE), [{ first: 50, last: 99 }]);
});

test('ranges that begin past the end are left out, and unsatisfiable alone', () => {
  assert.equal(parseRanges('bytes=100-', SIZE), 'unsatisfiable');
  assert.equal(parseRanges('bytes=-0', SIZE), 'unsatisfiable');
  assert.equal(parseRanges(`bytes=${'9'.repeat(400)}-`, SIZE), 'unsatisfiable');
  assert.deepEqual(parseRanges('bytes=500-600, 0-1', SIZE), [{ first: 0, last: 1 }]);
});

test('up to eight ranges are honoured, in the order asked for', () => {
  const eight = Array.from({ length: 8 }, (_, i) => `${(7 - i) * 10}-${(7 - i) * 10 + 1}`);
  assert.equal(parseRanges(`bytes=${eight.join(',')}`, SIZE).length, 8);
  assert.deepEqual(parseRanges(`bytes=${eight.join(',')}`, SIZE).at(0), { first: 70, last: 71 });
  assert.equal(parseRanges(`bytes=${[...eight, '99-99'].join(',')}`, SIZE), 'whole');
});

test('what is malformed, of another unit, or costs more than the whole gets the whole', () => {
  const headers = ['items=0-1', 'bytes=', 'bytes=a-b', 'bytes=5-2', 'bytes=-', 'bytes=1', ','];
  for (const header of [...headers, 'bytes=0-99,0-0', 'bytes=0-1,x']) {
    assert.equal(parseRanges(header, SIZE), 'whole', header);
  }
  assert.equal(parseRanges(undefined, SIZE), 'whole');
});

test('the length of a multipart body is known before its bytes', () => {
  const ranges = [
    { first: 0, last: 1 },
    { first: 5, last: 9 },
  ];
  const { heads, end, length } = partHeads(ranges, SIZE, 'image/png');
  assert.equal(length, heads[0]!.length + 2 + heads[1]!.length + 5 + end.length);
  assert.match(heads[1]!.toString(), /Content-Range: bytes 5-9\/100\r\n\r\n$/);
});
