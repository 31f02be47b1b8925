import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { answerCheck } from '../services/api.ts';
import { startService } from '../services/service.ts';

// Whether the answers match the document is checked for every request of the tests in api/.

const service = await startService();
after(() => service.close());
const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
  openapi: string;
  info: { description: string };
  paths: Record<string, Record<string, { operationId: string; responses: object }>>;
};
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(document);
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(document.openapi, '3.1.0');
});

test('it holds every route, each with an id of its own and its errors', () => {
  assert.deepEqual(Object.keys(document.paths), [
    '/api/v2/images',
    '/api/v2/images/{id}',
    '/api/v2/images/{id}/restore',
    '/api/v2/images/{id}/content',
    '/api/v2/themes',
    '/api/v2/themes/{name}',
    '/health',
    '/health/live',
    '/health/ready',
    '/metrics',
  ]);
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const { responses } of operations) assert.ok('400' in responses && '500' in responses);
});

test('it says that visibility is not enforced', () => {
  assert.match(document.info.description, /Visibility is not enforced yet/);
});

test('an answer that differs from it is found', async () => {
  const check = answerCheck(document);
  const answer = (body: object, status = 200) =>
    new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
  await check('/api/v2/themes', 'GET', answer({ items: [] }));
  await assert.rejects(
    check('/api/v2/themes', 'GET', answer({ items: [{}] })),
    /must have required/,
  );
  await assert.rejects(check('/api/v2/themes', 'GET', answer({}, 418)), /status is not documented/);
  await assert.rejects(check('/api/v2/themes', 'GET', new Response('x')), /type is not documented/);
  await assert.rejects(check('/nowhere', 'GET', answer({}, 404)), /problem\+json/);
});

test('the page shows it without any outside asset or inline script', async () => {
  const page = await fetch(`${service.url}/docs`);
  const policy = page.headers.get('content-security-policy')!;
  assert.match(policy, /default-src 'none'; script-src 'self'/);
  const html = await page.text();
  const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
  assert.ok(addresses.length >= 5);
  for (const address of addresses) {
    assert.ok(address.startsWith('/docs/static/'), address);
    assert.equal((await fetch(service.url + address)).status, 200, address);
  }
  assert.doesNotMatch(html, /<script(?![^>]*src=)/);
  const root = await fetch(service.url, { redirect: 'manual' });
  assert.equal(root.headers.get('location'), '/docs');
});

type Json = { [name: string]: Json };
const asyncapi = (await (await fetch(`${service.url}/asyncapi.json`)).json()) as Json;

/** Every object within a document, with the way to it. */
function* objectsIn(value: unknown, way = ''): Generator<[way: string, found: Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [way, value as Json];
  for (const [name, inner] of Object.entries(value)) yield* objectsIn(inner, `${way}/${name}`);
}

test('requests are strict, and answers may get further members', () => {
  const strict = [...objectsIn(document), ...objectsIn(asyncapi)]
    .filter(([, found]) => (found.additionalProperties as unknown) === false)
    .map(([way]) => way);
  const asked = /\/requestBody\/|\/parameters\/|\/schemas\/WireContent|\/messages\/\w+\/payload/;
  assert.deepEqual(
    strict.filter((way) => !asked.test(way)),
    [],
  );
  assert.ok(strict.some((way) => way.includes('/images/{id}/patch/requestBody')));
  assert.ok(strict.some((way) => way.includes('/images/post/requestBody')));
  assert.ok(strict.some((way) => way.includes('/create_image/payload')));
});

test('its patterns are those of Python as well', () => {
  const patterns = [...objectsIn(document), ...objectsIn(asyncapi)].flatMap(([, found]) => [
    ...(typeof found.pattern === 'string' ? [found.pattern] : []),
    ...Object.keys(found.patternProperties ?? {}),
  ]);
  assert.ok(patterns.length > 20);
  const script = 'import json, re, sys\nfor p in json.load(sys.stdin): re.compile(p)';
  const input = JSON.stringify(patterns);
  const { status, stderr } = spawnSync('python3', ['-W', 'error', '-c', script], { input });
  assert.equal(status, 0, String(stderr));
});

test('a file is bytes of any kind, and no text', () => {
  const bodies = [...objectsIn(document)].filter(([way]) => way.endsWith('/properties/image'));
  assert.equal(bodies.length, 2);
  for (const [way, schema] of bodies) {
    assert.equal(schema.contentMediaType, 'application/octet-stream', way);
    assert.equal(schema.type, undefined, way);
  }
});

test('every JSON body has an example', () => {
  for (const [way, found] of objectsIn(document)) {
    if (!/\/requestBody\/content\/[\w+/-]*json$/.test(way)) continue;
    assert.ok(found.example, way);
  }
});
