import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { fieldsOf, form, png, problem, REQUIRED } from '../services/api.ts';
import { attacked, IMAGES, multipart } from './attacked.ts';

/** Names and texts that the service withstands, wherever a client may put some. */

const attack = await attacked();
const { api, target, sendForm, assertNothingStored, storedOnPurpose, refused } = attack;

const LONG = 'x'.repeat(100_000);
const DEEP = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
const FIELDS: [string, string][] = [
  ['name', ''],
  ['name', 'a\0b'],
  ['name', 'a\x1b[31m'],
  ['name', 'n'.repeat(256)],
  ['name', LONG],
  ['description', 'd'.repeat(4_001)],
  ['type', 'portrait\0'],
  ['type', '__proto__'],
  ['theme', '..%2fetc'],
  ['theme', '../etc'],
  ['theme', '..\\etc'],
  ['theme', 'fantasy%00'],
  ['theme', 'fantasy;'.repeat(70)],
  ['theme', 'fantasy_'],
  ['theme', "x' or 1=1 --"],
  ['subtype', 's'.repeat(51)],
  ['tags', 't'.repeat(51)],
  ['tags', Array.from({ length: 65 }, (_, n) => `t${n}`).join(',')],
  ['tags', 'a\u0007b'],
  ['attributes', DEEP],
  ['attributes', '[]'],
  ['attributes', '{"a":{"b":1}}'],
  ['attributes', '{"__proto__":{"x":1}}'],
  ['attributes', '{"constructor":1}'],
  ['attributes', '{"prototype":1}'],
  ['attributes', '{"..%2f":1}'],
  ['attributes', '{"a":"\\u0000"}'],
  ['attributes', '{"a":1e999}'],
  ['attributes', JSON.stringify({ a: 'x'.repeat(17_000) })],
  ['attributes', `{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`],
  ['visibility', 'publicly'],
  ['source_id', 'a\nb\u202e'],
];

test('metadata that is wrong is named by its field, and nothing is stored', async () => {
  const file = await png();
  for (const [field, value] of FIELDS) {
    const rest = REQUIRED.filter(([name]) => name !== field);
    const body = form(['image', file], ...rest, [field, value]);
    const response = await api(IMAGES, { method: 'POST', body });
    const found = await problem(response.clone(), 400, 'invalid_request');
    assert.deepEqual(
      [...new Set(fieldsOf(found).map((name) => name.split(/[./]/)[0]))],
      [field],
      JSON.stringify(found),
    );
    await refused(response, 'invalid_request');
    await assertNothingStored();
  }
});

test('JSON that is deep, huge or forbidden is refused', async () => {
  const patch = (body: string) =>
    api(`${IMAGES}/${target.id}`, {
      method: 'PATCH',
      body,
      headers: { 'content-type': 'application/json' },
    });
  for (const body of [
    DEEP,
    `{"attributes":${DEEP}}`,
    '{"__proto__":{"name":"x"}}',
    '{"constructor":{"prototype":{"name":"x"}}}',
    '{"attributes":{"__proto__":1}}',
    '{"id":"x"}',
    '{"name":"\\ud800\\u0000"}',
    '{"name":',
    '[]',
    'null',
    '1e999',
    '"x"',
  ]) {
    await refused(await patch(body), 'invalid_request');
  }
  await refused(await patch(`{"name":"${'x'.repeat(300_000)}"}`), 'content_too_large');
  await assertNothingStored();
});

const ESCAPES = [
  '..%2f',
  '..%5c',
  '%2e%2e%2f',
  '%00',
  '..%2f..%2fcatalog.sqlite',
  '%2fetc%2fpasswd',
];

test('ids and names that would climb out of their folder lead nowhere', async () => {
  const sibling = `${target.id.slice(0, -1)}${target.id.endsWith('0') ? 1 : 0}`;
  const ids = [...ESCAPES, `${target.id}%00`, `${target.id}%2f..`, `${target.id}x`, sibling];
  for (const id of [
    ...ids,
    target.id.slice(0, -1),
    target.id.toUpperCase().replace(/[A-F]/, 'Z'),
  ]) {
    for (const path of [`${IMAGES}/${id}`, `${IMAGES}/${id}/content`]) {
      await refused(await api(path), 'image_not_found', 'not_found', 'invalid_request');
    }
    const init = { method: 'DELETE' };
    await refused(
      await api(`${IMAGES}/${id}`, init),
      'image_not_found',
      'not_found',
      'invalid_request',
    );
  }
  const headers = { 'content-type': 'application/json' };
  for (const name of [...ESCAPES, '!', '_a', 'a__b', 'x'.repeat(51), '__proto__']) {
    const path = `/api/v2/themes/${name}`;
    await refused(await api(path), 'theme_not_found', 'not_found', 'invalid_request');
    const put = await api(path, { method: 'PUT', body: '{}', headers });
    await refused(put, 'theme_not_found', 'not_found', 'invalid_request');
  }
  await assertNothingStored();
});

test('an Idempotency-Key is visible ASCII of up to 128 characters, and no path', async () => {
  const file = await png();
  for (const key of ['', 'a b', 'k\u00e9y', 'k'.repeat(129)]) {
    const headers = { 'idempotency-key': key };
    const body = form(['image', file], ...REQUIRED);
    await refused(await api(IMAGES, { method: 'POST', body, headers }), 'invalid_request');
  }
  await assertNothingStored();
  const keys = ['../../etc', '..\\', '%00', "'or+1=1--"];
  const ids = new Set<string>();
  for (const key of keys) {
    const headers = { 'idempotency-key': key };
    const body = form(['image', file], ...REQUIRED);
    const response = await api(IMAGES, { method: 'POST', body, headers });
    assert.equal(response.status, 201);
    ids.add(((await response.json()) as Image).id);
  }
  assert.equal(ids.size, keys.length);
  await storedOnPurpose();
});

test('file names are stored safely and sent back as RFC 8187 says', async () => {
  const file = await png();
  for (const filename of [
    'a\u202egnp.exe',
    'quote\\".png',
    'semi;colon=1.png',
    'tab\there.png',
    '../../../etc/passwd',
    '..\\..\\boot.ini',
    'C:\\Users\\x.png',
    '%2e%2e%2f.png',
    '\u{1f409}\u{1f409}.png',
    'e\u0301\ufeff.png',
    `${'long'.repeat(2_500)}.png`,
    '..',
    ' ',
    'CON',
  ]) {
    const response = await sendForm(multipart(file, filename));
    const image = (await response.json()) as Image;
    assert.equal(response.status, 201, filename);
    const kept = image.content.filename;
    assert.ok(kept === null || [...kept].length <= 255, filename);
    assert.doesNotMatch(kept ?? '', /[\p{Cc}/\\\u202a-\u202e\u2066-\u2069]/u);
    const content = await api(image.content.url);
    await content.body?.cancel();
    const disposition = content.headers.get('content-disposition')!;
    assert.match(
      disposition,
      /^inline(; filename="[\x20-\x7e]*")?(; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?$/,
    );
  }
  for (const line of ['a\r\nX-Injected: 1\r\n.png', 'a\nb.png', 'a\0b.png']) {
    const response = await sendForm(multipart(file, line));
    if (response.status !== 201) await refused(response, 'invalid_request');
    else assert.doesNotMatch(((await response.json()) as Image).content.filename ?? '', /\p{Cc}/u);
  }
  await storedOnPurpose();
});

test('a search takes operators, quotes and wildcards literally, or names what is too much', async () => {
  const listed = async (query: string) => {
    const response = await api(`${IMAGES}?${query}`);
    const { items } = (await response.json()) as { items: Image[] };
    assert.equal(response.status, 200, query);
    return items.length;
  };
  const search = (q: string) => `q=${encodeURIComponent(q)}`;
  assert.ok((await listed(search('mira'))) > 0);
  for (const q of [
    'mi%',
    'm_ra',
    'mira NOT mira',
    'mira"',
    '"mira" OR "x"',
    'name:mira',
    'mira*x',
  ]) {
    const found = await listed(search(q));
    assert.ok(found === 0 || /^(mira"|mi%)$/.test(q), `${q} found ${found}`);
  }
  for (const q of [
    "'; drop table images; --",
    'NEAR(a b)',
    'a AND (b',
    '{a b}: c',
    '^a',
    '-a',
    'x'.repeat(900),
  ]) {
    await listed(search(q));
  }
  // Of signs alone, as of nothing, nothing can be searched for.
  for (const q of ['%', '*', '"', '()', '\0', '', ' ']) {
    assert.equal(await listed(search(q)), await listed(''), q);
  }
  for (const q of [
    Array(5_000).fill('mira').join(' '),
    Array(17)
      .fill(0)
      .map((_, n) => `w${n}`)
      .join(' '),
  ]) {
    await refused(await api(`${IMAGES}?${search(q)}`), 'invalid_request', 'headers_too_large');
  }
  for (const query of [
    'theme=..%2f',
    'tag=%00',
    'attr.__proto__=1',
    'attr.=1',
    'limit=1e9',
    'cursor=..%2f',
    'sort=name;drop',
    '__proto__=1',
    `tag=${'x'.repeat(5_000)}`,
  ]) {
    const response = await api(`${IMAGES}?${query}`);
    if (response.status === 200)
      assert.deepEqual(((await response.json()) as { items: [] }).items, []);
    else await refused(response, 'invalid_request', 'cursor_invalid');
  }
  await assertNothingStored();
});

attack.testThatItLives();
