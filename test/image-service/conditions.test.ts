import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { represent } from '../../src/image-service/caches/representation.ts';
import {
  demandedTags,
  evaluate,
  parseDate,
  parseEntityTags,
  rangeApplies,
} from '../../src/image-service/delivery/conditions.ts';

const lastModified = Date.parse('2026-01-02T03:04:05Z');
const current = { etag: '"abc"', lastModified };
const DATE = 'Fri, 02 Jan 2026 03:04:05 GMT';
const EARLIER = 'Fri, 02 Jan 2026 03:04:04 GMT';

test('If-None-Match compares weakly, takes lists and *', () => {
  for (const value of ['"abc"', 'W/"abc"', '"x", W/"abc"', '*', ' * ', '"x","abc"']) {
    assert.equal(evaluate({ 'if-none-match': value }, current), 304, value);
  }
  for (const value of ['"abcd"', 'abc', '', '"ab', 'W/"x"']) {
    assert.equal(evaluate({ 'if-none-match': value }, current), 200, value);
  }
});

test('If-Match compares strongly and comes before If-None-Match', () => {
  assert.equal(evaluate({ 'if-match': '"abc"' }, current), 200);
  assert.equal(evaluate({ 'if-match': '"x", "abc"' }, current), 200);
  assert.equal(evaluate({ 'if-match': '*' }, current), 200);
  assert.equal(evaluate({ 'if-match': 'W/"abc"' }, current), 412);
  assert.equal(evaluate({ 'if-match': '"x"', 'if-none-match': '"abc"' }, current), 412);
  assert.equal(evaluate({ 'if-match': '"abc"', 'if-none-match': '"abc"' }, current), 304);
});

test('dates count only without the tags that are stronger', () => {
  assert.equal(evaluate({ 'if-modified-since': DATE }, current), 304);
  assert.equal(evaluate({ 'if-modified-since': EARLIER }, current), 200);
  assert.equal(evaluate({ 'if-modified-since': DATE, 'if-none-match': '"x"' }, current), 200);
  assert.equal(evaluate({ 'if-unmodified-since': EARLIER }, current), 412);
  assert.equal(evaluate({ 'if-unmodified-since': EARLIER, 'if-match': '"abc"' }, current), 200);
  assert.equal(evaluate({ 'if-modified-since': 'yesterday' }, current), 200);
});

test('dates come in three forms, all meaning GMT', () => {
  for (const text of [DATE, 'Friday, 02-Jan-26 03:04:05 GMT', 'Fri Jan  2 03:04:05 2026']) {
    assert.equal(parseDate(text), lastModified, text);
  }
  for (const text of ['2026-01-02T03:04:05Z', '1767323045', 'Fri, 02 Foo 2026 03:04:05 GMT', '']) {
    assert.equal(parseDate(text), undefined, text);
  }
});

test('If-Range honours exactly the current strong tag or date', () => {
  assert.equal(rangeApplies(undefined, current), true);
  assert.equal(rangeApplies('"abc"', current), true);
  assert.equal(rangeApplies('W/"abc"', current), false);
  assert.equal(rangeApplies('"x"', current), false);
  assert.equal(rangeApplies(DATE, current), true);
  assert.equal(rangeApplies(EARLIER, current), false);
  const fresh = Math.floor(Date.now() / 1000) * 1000 + 1000;
  assert.equal(
    rangeApplies(new Date(fresh).toUTCString(), { etag: '', lastModified: fresh }),
    false,
  );
});

test('a demand of a write is a few tags for storage to compare', () => {
  assert.equal(demandedTags(undefined), undefined);
  assert.equal(demandedTags('*'), undefined);
  assert.deepEqual(demandedTags('"2"'), ['2']);
  assert.deepEqual(demandedTags('"2", W/"4", "3"'), ['2', '3']);
  const weak = /compares strongly, so W\/"3" matches nothing; send "3"/;
  assert.throws(() => demandedTags('W/"3"'), { code: 'precondition_failed', message: weak });
  const many = Array.from({ length: 17 }, (_, index) => `"${index}"`).join(', ');
  assert.throws(() => demandedTags(many), { code: 'invalid_request' });
});

test('a demand without quotes is told what is missing', () => {
  const bare = { code: 'invalid_request', message: 'If-Match is 1 without quotes; must be "1".' };
  assert.throws(() => demandedTags('1'), bare);
  assert.throws(() => demandedTags(' 1 '), bare);
  for (const text of ['', '1, 2', '"1', "'1'", 'W/1', 'a b', '<x>', 'x'.repeat(5_000)]) {
    const rule = /^If-Match must be \*, or ETags in double quotes, such as "1"\.$/;
    assert.throws(() => demandedTags(text), { code: 'invalid_request', message: rule }, text);
  }
});

test('a list of tags keeps the strong and the weak apart', () => {
  assert.deepEqual(parseEntityTags('"a,b", W/"c", ""'), { strong: ['a,b', ''], weak: ['c'] });
});

test('Last-Modified is never later than now, whatever a clock that was ahead has left', () => {
  const content = {
    url: '/api/v2/images/i/content?v=abc',
    sha256: 'abc',
    media_type: 'image/png',
    filename: null,
  };
  const of = (updated_at: string) =>
    represent({ visibility: 'public', content: { ...content, updated_at } } as Image);
  assert.equal(of('2026-01-02T03:04:05.678Z').lastModified, lastModified);
  const future = of('2999-01-02T03:04:05.678Z');
  assert.ok(future.lastModified <= Date.now());
  for (const headers of [future.fixed, future.changing]) {
    const at = headers.content.indexOf('last-modified');
    assert.equal(Date.parse(headers.content[at + 1]!), future.lastModified);
  }
});
