import multipart from '@fastify/multipart';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { ImageFields, ImageFilter } from '../../contract/image.ts';
import type { Storage } from '../../contract/storage.ts';
import type { Admission } from '../request/admission.ts';
import { ask, change } from '../request/call.ts';
import { answerOnce, operationIdOf } from '../request/idempotency.ts';
import { parseListQuery, queryText } from '../request/query.ts';
import type { UploadGate } from '../request/upload.ts';
import { acceptImageForm, FORM_LIMITS } from '../request/upload-form.ts';
import { IDEMPOTENCY_HEADER, json, readProblems, writeProblems } from './answers.ts';

/** All images: upload, list and search. */
export async function imagesRoutes(
  scope: FastifyInstance,
  { storage, uploads, admission }: { storage: Storage; uploads: UploadGate; admission: Admission },
): Promise<void> {
  await scope.register(multipart, FORM_LIMITS);

  scope.post('/api/v2/images', { schema: CREATE }, async (request, reply) => {
    const operationId = operationIdOf(request);
    const { fields, content } = await uploads.admit(request, operationId, (call) =>
      acceptImageForm(storage, request, call),
    );
    const outcome = await change(request.id, operationId, (call) =>
      storage.createImage(fields, content, call),
    );
    const image = answerOnce(reply, outcome);
    return reply
      .code(201)
      .header('location', `/api/v2/images/${image.id}`)
      .header('etag', `"${image.version}"`)
      .header('cache-control', 'no-store')
      .send(image);
  });

  scope.get('/api/v2/images', { schema: LIST, ...admission.hooks }, async (request, reply) => {
    const filter = parseListQuery(queryText(request));
    const page = await ask(reply, (call) => storage.listImages(filter, call));
    return reply
      .header('cache-control', 'no-store')
      .type('application/json; charset=utf-8')
      .send(page);
  });
}

const FORM = Type.Object({
  ...ImageFields.properties,
  tags: Type.Optional(
    Type.Array(Type.String(), { description: 'repeated, or as lists separated by commas' }),
  ),
  attributes: Type.Optional(
    Type.String({ description: 'a JSON object of one level, such as {"artist":"Hildr","age":41}' }),
  ),
  image: Type.String({ format: 'binary', description: 'PNG, JPEG, WebP, GIF or AVIF, to 25 MiB' }),
});
const { attr: _, ...PARAMETERS } = ImageFilter.properties;

const CREATE = {
  operationId: 'createImage',
  tags: ['images'],
  summary: 'Upload an image',
  headers: Type.Object(IDEMPOTENCY_HEADER),
  body: { content: { 'multipart/form-data': { schema: FORM } } },
  response: {
    201: json('Image', 'the new image', 'ETag', 'Location', 'Idempotent-Replayed'),
    ...writeProblems(
      'image_unreadable',
      'image_too_large',
      'too_many_frames',
      'too_many_themes',
      'content_missing',
    ),
  },
};
const LIST = {
  operationId: 'listImages',
  tags: ['images'],
  summary: 'List and search images',
  description:
    'Different filters AND; several tags AND, several values of another filter OR. Any attribute is ' +
    'a filter too: `attr.<key>=<value>`. A theme finds its descendants as well.',
  querystring: Type.Object(PARAMETERS),
  response: {
    200: json('ImagePage', 'one page; next_cursor leads to the next one'),
    ...readProblems('cursor_invalid'),
  },
};
