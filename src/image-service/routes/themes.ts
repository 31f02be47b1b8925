import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { themeNotFound } from '../../contract/errors.ts';
import { themeFields, themeName } from '../../contract/fields.ts';
import { Slug } from '../../contract/image.ts';
import type { Storage } from '../../contract/storage.ts';
import { ThemeFields } from '../../contract/theme.ts';
import { meantTheme, themeSlug } from '../../contract/theme-names.ts';
import type { Admission } from '../request/admission.ts';
import { ask, change } from '../request/call.ts';
import { answerOnce, operationIdOf } from '../request/idempotency.ts';
import { takeJson } from '../request/json-body.ts';
import { requireNoQuery } from '../request/query.ts';
import { empty, IDEMPOTENCY_HEADER, json, readProblems, writeProblems } from './answers.ts';
import { KNOWN_THEME_EXAMPLE, NEW_THEME_EXAMPLE, THEME_FIELDS_EXAMPLE } from './examples.ts';

const URL = '/api/v2/themes';
const KNOWN_NAME = Type.Object({ name: { ...Slug, examples: [KNOWN_THEME_EXAMPLE] } });
const NEW_NAME = Type.Object({ name: { ...Slug, examples: [NEW_THEME_EXAMPLE] } });
const BODY = { ...ThemeFields, examples: [THEME_FIELDS_EXAMPLE] };

/** The theme vocabulary. */
export async function themesRoutes(
  scope: FastifyInstance,
  { storage, admission }: { storage: Storage; admission: Admission },
): Promise<void> {
  takeJson(scope, ['application/json']);

  scope.get(URL, { schema: LIST, ...admission.hooks }, async (request, reply) => {
    requireNoQuery(request);
    const themes = await ask(reply, (call) => storage.listThemes(call));
    return reply.header('cache-control', 'no-store').send(themes);
  });

  scope.get(`${URL}/:name`, { schema: GET, ...admission.hooks }, async (request, reply) => {
    const { name } = request.params as { name: string };
    const { items } = await ask(reply, (call) => storage.listThemes(call));
    const theme = meantTheme(items, themeSlug(name));
    if (!theme) throw themeNotFound();
    return reply.header('cache-control', 'no-store').send(theme);
  });

  scope.put(`${URL}/:name`, { schema: PUT, ...admission.hooks }, async (request, reply) => {
    const name = themeName((request.params as { name: string }).name);
    const fields = themeFields(withoutReadOnly(request.body));
    const outcome = await change(request.id, operationIdOf(request), (call) =>
      storage.putTheme(name, fields, call),
    );
    const { theme, created } = answerOnce(reply, outcome);
    if (created) reply.header('location', `${URL}/${name}`);
    return reply
      .code(created ? 201 : 200)
      .header('cache-control', 'no-store')
      .send(theme);
  });

  scope.delete(`${URL}/:name`, { schema: DELETE, ...admission.hooks }, async (request, reply) => {
    const { name } = request.params as { name: string };
    const outcome = await change(request.id, operationIdOf(request), (call) =>
      storage.deleteTheme(themeSlug(name), call),
    );
    answerOnce(reply, outcome);
    return reply.code(204).send();
  });
}

/** Who puts back what a GET gave must not have to pick it apart. */
function withoutReadOnly(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const { name: _name, image_count: _count, ...fields } = body as Record<string, unknown>;
  return fields;
}

const LIST = {
  operationId: 'listThemes',
  tags: ['themes'],
  summary: 'List all themes',
  response: { 200: json('ThemeList', 'all themes'), ...readProblems() },
};
const GET = {
  operationId: 'getTheme',
  tags: ['themes'],
  summary: 'Describe a theme',
  params: KNOWN_NAME,
  response: { 200: json('Theme', 'the theme'), ...readProblems('theme_not_found') },
};
const PUT = {
  operationId: 'putTheme',
  tags: ['themes'],
  summary: 'Describe a theme anew',
  description: 'Absent fields become their defaults.',
  params: NEW_NAME,
  headers: Type.Object(IDEMPOTENCY_HEADER),
  body: { content: { 'application/json': { schema: BODY } } },
  response: {
    200: json('Theme', 'the theme as it is now', 'Idempotent-Replayed'),
    201: json('Theme', 'the new theme', 'Location', 'Idempotent-Replayed'),
    ...writeProblems('theme_cycle', 'too_many_themes'),
  },
};
const DELETE = {
  operationId: 'deleteTheme',
  tags: ['themes'],
  summary: 'Delete a theme',
  description:
    'Only while no image has it, deleted ones that can be restored included, and no theme has it ' +
    'as parent. Deleting again is harmless for a day.',
  params: NEW_NAME,
  headers: Type.Object(IDEMPOTENCY_HEADER),
  response: {
    204: empty('the theme is deleted', 'Idempotent-Replayed'),
    ...writeProblems('theme_not_found', 'theme_in_use'),
  },
};
