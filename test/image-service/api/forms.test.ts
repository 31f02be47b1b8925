import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import { checkedApi, create, fieldsOf, png, problem } from '../../services/api.ts';
import { contentsOf } from '../../services/data-folder.ts';
import { startService } from '../../services/service.ts';

/** Forms as HTTP libraries of other languages write them. */

const service = await startService();
after(() => service.close());
const api = await checkedApi(service.url);
const BYTES = await png();

/** The header lines of a part after its name, and its body. */
type Part = [name: string, body: string | Uint8Array, rest?: string];

const REQUIRED: Part[] = [
  ['type', 'item'],
  ['name', 'Bow'],
  ['theme', 'fantasy'],
];
const IMAGE: Part = ['image', BYTES, '; filename="a.png"\r\nContent-Type: image/png'];
const AS_JSON = '\r\nContent-Type: application/json';
const AS_BLOB = '; filename="blob"\r\nContent-Type: application/json';

function send(parts: Part[], method = 'POST', path = '/api/v2/images'): Promise<Response> {
  const chunks = parts.flatMap(([name, body, rest = '']) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; name="${name}"${rest}\r\n\r\n`),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ]);
  const body = Buffer.concat([...chunks, Buffer.from('--b--\r\n')]);
  return api(path, {
    method,
    body,
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
  });
}

const withFields = (...parts: Part[]) => send([...REQUIRED, IMAGE, ...parts]);

async function created(response: Response): Promise<Image> {
  assert.equal(response.status, 201, await response.clone().text());
  return (await response.json()) as Image;
}

async function refused(response: Response) {
  return problem(response, 400, 'invalid_request');
}

test('the file needs neither a name nor a type', async () => {
  const names: [rest: string, kept: string | null][] = [
    ['\r\nContent-Type: image/png', null],
    ['\r\nContent-Type: application/octet-stream', null],
    ['\r\nContent-Type: text/plain', null],
    ['', null],
    ['; filename=""\r\nContent-Type: image/png', null],
    ["; filename*=UTF-8''gr%C3%BCn.png\r\nContent-Type: image/png", 'grün.png'],
    ['; filename="a.txt"\r\nContent-Type: text/plain', 'a.txt'],
    ['; filename="a.json"\r\nContent-Type: application/json', 'a.json'],
  ];
  for (const [rest, kept] of names) {
    const image = await created(await send([...REQUIRED, ['image', BYTES, rest]]));
    assert.equal(image.content.filename, kept, rest);
  }
  const { id } = await create(api);
  const part: Part = ['image', BYTES, '\r\nContent-Type: image/png'];
  assert.equal((await send([part], 'PUT', `/api/v2/images/${id}/content`)).status, 200);
});

test('an image field of text, or a file field that was left empty, is told so', async () => {
  const before = await contentsOf(service.dataDir);
  const text = await refused(await send([...REQUIRED, ['image', 'elf.png']]));
  assert.match(text.detail, /^image must be the bytes of a file, and is text.*image=@elf\.png/);
  const empty = '; filename=""\r\nContent-Type: application/octet-stream';
  const none = await refused(await send([...REQUIRED, ['image', '', empty]]));
  assert.match(none.detail, /^image is required/);
  assert.deepEqual(await contentsOf(service.dataDir), before);
});

test('a part that is declared JSON and is none is named, whichever it is', async () => {
  for (const [name, body] of [
    ['name', 'Bare name'],
    ['tags', 'elf,ranger'],
    ['attributes', '{"a":'],
    ['subtype', ''],
    ['description', '['.repeat(30_000)],
  ] as const) {
    const others = REQUIRED.filter(([field]) => field !== name);
    const found = await refused(await send([...others, IMAGE, [name, body, AS_JSON]]));
    assert.equal(found.errors?.[0]?.field, name);
    assert.match(found.errors![0]!.message, /is not JSON; send it as text\/plain, or as JSON: "/);
  }
  const long = JSON.stringify('x'.repeat(70_000));
  const found = await refused(await withFields(['description', long, AS_JSON]));
  assert.match(found.detail, /^description must be up to 65536 bytes/);
});

test('all fields may be JSON, or the Blobs of a browser', async () => {
  for (const rest of [AS_JSON, AS_BLOB, `${AS_JSON}; charset=utf-8`]) {
    const parts = REQUIRED.map(([name, text]): Part => [name, JSON.stringify(text), rest]);
    const more: Part[] = [
      ['tags', '["Elf","a, b"]', rest],
      ['tags', '"bow"', rest],
      ['attributes', '{"level":3}', rest],
      ['subtype', 'null', rest],
    ];
    const image = await created(await send([...parts, IMAGE, ...more]));
    assert.deepEqual([image.name, image.subtype], ['Bow', null]);
    assert.deepEqual(image.tags, ['elf', 'a, b', 'bow']);
    assert.deepEqual(image.attributes, { level: 3 });
  }
  const octets = '\r\nContent-Type: application/octet-stream';
  assert.equal((await created(await withFields(['subtype', 'long', octets]))).subtype, 'long');
  const picture = await refused(
    await withFields(['description', BYTES, '; filename="a"\r\nContent-Type: image/png']),
  );
  assert.match(picture.detail, /description is not a file here; the file is called image/);
});

test('tags may be JSON text, and never become pieces of it', async () => {
  const lists: [string, string[]][] = [
    ['["Elf","ranger"]', ['elf', 'ranger']],
    [' [ "elf" , "a, b" ] ', ['elf', 'a, b']],
    ['[]', []],
    ['"elf"', ['elf']],
    ['"elf","ranger"', ['elf', 'ranger']],
    ['elf,"the" bow', ['elf', '"the" bow']],
    ['', []],
  ];
  for (const [text, tags] of lists) {
    assert.deepEqual((await created(await withFields(['tags', text]))).tags, tags, text);
  }
  const several = await created(await withFields(['tags', '["elf"]'], ['tags', 'bow,elf']));
  assert.deepEqual(several.tags, ['elf', 'bow']);
  for (const text of [
    '["elf","ranger"',
    "['elf', 'ranger']",
    '[elf, ranger]',
    '{"a":1}',
    '["elf"],bow',
    'elf,["x"]',
    'elf,{"x":1}',
  ]) {
    const found = await refused(await withFields(['tags', text]));
    assert.match(found.detail, /^tags must be a JSON array .*tags=elf,ranger/, text);
  }
  for (const text of ['[1]', '[null]', '[["elf"]]', '[{}]', '[123456789012345678901]']) {
    assert.deepEqual(fieldsOf(await refused(await withFields(['tags', text]))), ['tags'], text);
  }
});

test('tags[] and tags[0] are tags, and other names in brackets are told what is right', async () => {
  const one = await created(await withFields(['tags[]', 'elf'], ['tags[]', 'Bow']));
  assert.deepEqual(one.tags, ['elf', 'bow']);
  const two = await created(await withFields(['tags[0]', 'elf'], ['tags[1]', 'bow,x']));
  assert.deepEqual(two.tags, ['elf', 'bow', 'x']);
  const found = await refused(await withFields(['attributes[level]', '3']));
  assert.deepEqual(fieldsOf(found), ['attributes[level]']);
  assert.match(found.detail, /send attributes=\{"level":3\}, a JSON object/);
});

test('an optional field that a page left empty is absent, a required one is missing', async () => {
  const empty = [
    'subtype',
    'source_type',
    'source_id',
    'visibility',
    'attributes',
    'tags',
    'description',
  ];
  const image = await created(await withFields(...empty.map((name): Part => [name, ''])));
  const { subtype, source_type, source_id, visibility, attributes, tags, description } = image;
  assert.deepEqual([subtype, source_type, source_id, visibility], [null, null, null, 'public']);
  assert.deepEqual([attributes, tags, description], [{}, [], '']);
  const found = await refused(await send([['type', ''], ['name', ''], ['theme', ''], IMAGE]));
  assert.deepEqual(fieldsOf(found), ['type', 'name', 'theme']);
});

/** Text of attributes, and the attribute that JSON.parse would change. */
const CHANGED: [string, string][] = [
  ['{"id":1234567890123456789}', 'id'],
  ['{"id":-9007199254740993}', 'id'],
  ['{"id":1152921504606846976}', 'id'],
  ['{"id":90071992547409936}', 'id'],
  ['{"a":1,"b":[1,2,9007199254740993]}', 'b'],
  ['{"ratio":0.12345678901234567}', 'ratio'],
  ['{"ratio":3.14159265358979323846}', 'ratio'],
  ['{"big":1e999}', 'big'],
  ['{"big":-1E+400}', 'big'],
  ['{"small":1e-999}', 'small'],
  [`{"long":1${'0'.repeat(60_000)}1}`, 'long'],
  ['{"a" : [ \n9007199254740993 ] }', 'a'],
  ['{"t":"\\\\","a":9007199254740993}', 'a'],
  ['{"t":"\\"","a":9007199254740993,"u":"\\\\\\""}', 'a'],
];
const KEPT = [
  ['{"id":9007199254740991}', 9007199254740991],
  ['{"id":9007199254740992}', 9007199254740992],
  ['{"id":1234567890123456800}', 1234567890123456800],
  ['{"id":"1234567890123456789"}', '1234567890123456789'],
  ['{"id":0.30000000000000004}', 0.30000000000000004],
  ['{"id":0.10000000000000001}', 0.1],
  ['{"id":1.50000000000000000000}', 1.5],
  ['{"id":12345678.123456789}', 12345678.123456789],
  ['{"id":1e300}', 1e300],
  ['{"id":-0}', 0],
  ['{"id":[-0.0, 5.0]}', [0, 5]],
  ['{"id":5e-324}', 5e-324],
  ['{"id":1.7976931348623157e+308}', Number.MAX_VALUE],
] as const;

test('a number that would become another one is refused by its name, at every door', async () => {
  const { id } = await create(api);
  const at = `/api/v2/images/${id}`;
  const put = (method: string, attributes: string) => {
    const body = `{"type":"item","name":"x","theme":"fantasy","attributes":${attributes}}`;
    return api(at, { method, body, headers: { 'content-type': 'application/json' } });
  };
  for (const [attributes, name] of CHANGED) {
    for (const response of [
      await withFields(['attributes', attributes]),
      await withFields(['attributes', attributes, AS_JSON]),
      await put('PATCH', attributes),
      await put('PUT', attributes),
    ]) {
      const found = await refused(response);
      assert.deepEqual(fieldsOf(found), [`attributes.${name}`], attributes.slice(0, 40));
      assert.match(found.detail, /cannot carry exactly; send it as text: "/);
      assert.ok(found.detail.length < 300);
    }
  }
  for (const [attributes, value] of KEPT) {
    const image = await created(await withFields(['attributes', attributes]));
    assert.deepEqual(image.attributes.id, value, attributes);
    assert.equal((await put('PATCH', JSON.stringify(image.attributes))).status, 200);
  }
  const name = await api(at, {
    method: 'PATCH',
    body: '{"name":1234567890123456789}',
    headers: { 'content-type': 'application/json' },
  });
  assert.deepEqual(fieldsOf(await refused(name)), ['name']);
});

test('a part in an encoding of mail is refused, not stored undecoded', async () => {
  const coded = (encoding: string) => `\r\nContent-Transfer-Encoding: ${encoding}`;
  for (const encoding of ['base64', 'quoted-printable', 'BASE64']) {
    const text = await refused(await withFields(['description', 'RWxm', coded(encoding)]));
    assert.deepEqual(fieldsOf(text), ['description'], encoding);
    assert.match(text.detail, /Content-Transfer-Encoding \S+, which is not supported/);
    const file: Part = ['image', BYTES, `; filename="a.png"${coded(encoding)}`];
    assert.deepEqual(fieldsOf(await refused(await send([...REQUIRED, file]))), ['image']);
  }
  await created(await withFields(['description', 'Elf', coded('8bit')]));
});

test('a form may say that its texts are UTF-8, and nothing else', async () => {
  await created(await withFields(['_charset_', 'utf-8']));
  assert.deepEqual(fieldsOf(await refused(await withFields(['_charset_', 'latin1']))), [
    '_charset_',
  ]);
});

test('a JSON part may have a type of its vendor', async () => {
  const type = '\r\nContent-Type: application/vnd.dnd+json';
  const image = await created(await withFields(['attributes', '{"level":3}', type]));
  assert.deepEqual(image.attributes, { level: 3 });
});
