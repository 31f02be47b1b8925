import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import sharp from 'sharp';
import type { Image } from '../../src/contract/image.ts';
import type { Problem } from '../../src/http/problem.ts';

type Answer = { content?: Record<string, unknown> };
type Document = {
  paths: Record<string, Record<string, { responses: Record<string, Answer> }>>;
};

export type Api = (path: string, init?: RequestInit) => Promise<Response>;

/** Sends requests to a service and checks that every answer is as its OpenAPI document says. */
export async function checkedApi(url: string): Promise<Api> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
  const check = answerCheck(document);
  return async (path, init) => {
    const response = await fetch(url + path, init);
    await check(path, init?.method ?? 'GET', response.clone());
    return response;
  };
}

/** Throws an AssertionError that says how an answer differs from the document. */
export function answerCheck(document: object) {
  const { paths } = document as Document;
  const ajv = new Ajv2020({ strict: false });
  ajvFormats.default(ajv);
  ajv.addSchema(closed(document), 'document');
  const matchers = Object.keys(paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]*')}$`),
  }));

  return async (target: string, method: string, response: Response): Promise<void> => {
    const [pathname = ''] = target.split('?', 1);
    const path = matchers.find(({ pattern }) => pattern.test(pathname))?.path;
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const operation = path && paths[path]![verb];
    const type = response.headers.get('content-type')?.split(';', 1)[0];
    const name = `${method} ${target} → ${response.status} ${type}`;
    if (!operation) {
      if (response.status >= 400) assert.equal(type, 'application/problem+json', name);
      return;
    }
    const answer = operation.responses[response.status];
    assert.ok(answer, `${name}: the status is not documented`);
    if (method === 'HEAD' || [204, 304].includes(response.status)) return;
    assert.ok(type && answer.content?.[type], `${name}: the type is not documented`);
    if (!type.endsWith('json')) return;
    const steps = [
      'paths',
      path,
      verb,
      'responses',
      `${response.status}`,
      'content',
      type,
      'schema',
    ];
    const pointer = steps.map((step) => step.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
    const valid = ajv.validate({ $ref: `document#/${pointer}` }, await response.json());
    assert.ok(valid, `${name}: ${ajv.errorsText()}`);
  };
}

/**
 * Clients must accept members that they do not know, so the document allows them. Here an answer has
 * none that is not documented.
 */
export function closed<T>(schema: T): T {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed) as T;
  const inner = Object.entries(schema).map(([name, value]) => [name, closed(value)]);
  const { type, properties } = schema as { type?: unknown; properties?: unknown };
  const isOpen = type === 'object' && properties !== undefined;
  return { ...(isOpen && { additionalProperties: false }), ...Object.fromEntries(inner) };
}

export type Part = [name: string, value: string | Uint8Array, filename?: string];

/** A form body. Bytes become a file part. */
export function form(...parts: Part[]): FormData {
  const data = new FormData();
  for (const [name, value, filename = 'a.png'] of parts) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, new Blob([new Uint8Array(value)], { type: 'image/png' }), filename);
  }
  return data;
}

export const REQUIRED: Part[] = [
  ['type', 'portrait'],
  ['name', 'Mira'],
  ['theme', 'fantasy'],
];

/** A PNG of noise, so no two are equal. */
export async function png(width = 8, height = 8): Promise<Buffer> {
  const raw = { width, height, channels: 3 } as const;
  return sharp(randomBytes(width * height * 3), { raw })
    .png()
    .toBuffer();
}

/** Uploads a new image with these fields over the required ones. */
export async function create(
  api: Api,
  fields: Record<string, string> = {},
  bytes?: Uint8Array,
): Promise<Image> {
  const all = { ...Object.fromEntries(REQUIRED), ...fields } as Record<string, string>;
  const body = form(['image', bytes ?? (await png())], ...Object.entries(all));
  const response = await api('/api/v2/images', { method: 'POST', body });
  assert.equal(response.status, 201, await response.clone().text());
  return (await response.json()) as Image;
}

/** Asserts that an answer is this problem, and returns it. */
export async function problem(response: Response, status: number, code: string): Promise<Problem> {
  const found = (await response.json()) as Problem;
  assert.deepEqual([response.status, found.code], [status, code], JSON.stringify(found));
  assert.match(response.headers.get('content-type')!, /^application\/problem\+json/);
  assert.equal(found.status, status);
  assert.equal(found.request_id, response.headers.get('x-request-id'));
  return found;
}

/** The fields that a problem names. */
export function fieldsOf(found: Problem): string[] {
  return (found.errors ?? []).map(({ field }) => field);
}
