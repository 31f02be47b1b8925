import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, preHandlerHookHandler } from 'fastify';
import { Type } from 'typebox';
import { ImageFilter } from '../../contract/image.ts';
import type { Storage } from '../../contract/storage.ts';
import type { UploadGate } from '../../http/upload-gate.ts';
import type { ListCache } from '../caches/list-cache.ts';
import type { Admission } from '../request/admission.ts';
import { ask, change } from '../request/call.ts';
import { answerOnce, operationIdOf } from '../request/idempotency.ts';
import { refuseOtherTypes } from '../request/other-types.ts';
import { parseListQuery, queryText } from '../request/query.ts';
import { admitUpload } from '../request/upload.ts';
import { acceptImageForm, FORM_OPTIONS, IMAGE_FORM_RULE } from '../request/upload-form.ts';
import { IDEMPOTENCY_HEADER, JSON_TYPE, json, readProblems, writeProblems } from './answers.ts';
import { IMAGE_FORM } from './image-form.ts';

export type ImagesDependencies = {
  basePath: string;
  storage: Storage;
  lists: ListCache;
  uploads: UploadGate;
  admission: Admission;
};

/** All images: upload, list and search. */
export async function imagesRoutes(
  scope: FastifyInstance,
  { basePath, storage, lists, uploads, admission }: ImagesDependencies,
): Promise<void> {
  await scope.register(multipart, FORM_OPTIONS);
  refuseOtherTypes(scope, () => IMAGE_FORM_RULE);

  scope.post('/api/v2/images', { schema: CREATE }, async (request, reply) => {
    const operationId = operationIdOf(request);
    const { fields, content } = await admitUpload(uploads, request, operationId, (call) =>
      acceptImageForm(storage, request, call),
    );
    const outcome = await change(request.id, operationId, (call) =>
      storage.createImage(fields, content, call),
    );
    const image = answerOnce(reply, outcome);
    return reply
      .code(201)
      .header('location', `${basePath}/api/v2/images/${image.id}`)
      .header('etag', `"${image.version}"`)
      .header('cache-control', 'no-store')
      .send(image);
  });

  const send = (page: Buffer, reply: FastifyReply) =>
    reply.header('cache-control', 'no-store').type(JSON_TYPE).send(page);
  // What is kept costs too little to wait for a turn.
  const kept: preHandlerHookHandler = (request, reply, next) => {
    const page = lists.kept(queryText(request));
    if (page) send(page, reply);
    else admission.hooks.preHandler(request, reply, next);
  };
  const list = { schema: LIST, preHandler: kept, onSend: admission.hooks.onSend };
  scope.get('/api/v2/images', list, async (request, reply) => {
    const query = queryText(request);
    const filter = parseListQuery(query);
    const page = await lists.read(query, filter, () =>
      ask(reply, (call) => storage.listImages(filter, call)),
    );
    return send(page, reply);
  });
}

const { attr: _, ...PARAMETERS } = ImageFilter.properties;

const CREATE = {
  operationId: 'createImage',
  tags: ['images'],
  summary: 'Upload an image',
  headers: Type.Object(IDEMPOTENCY_HEADER),
  body: { content: { 'multipart/form-data': { schema: IMAGE_FORM } } },
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
    'a filter too: `attr.<key>=<value>`. A theme finds its descendants as well.\n\n' +
    '`q` searches names, descriptions, themes, tags and attribute values: every word must be found, ' +
    'and the last may be the beginning of one. Case, accents and strokes are ignored: `bjorn` finds ' +
    'Bjørn. Text in scripts without spaces is found anywhere: `エルフ` finds 森のエルフ. Words joined ' +
    'by an apostrophe, a hyphen or an underscore are found apart and as one: `dragon` and `dragons` ' +
    'find Dragon’s. An emoji is a word.',
  querystring: Type.Object(PARAMETERS),
  response: {
    200: json('ImagePage', 'one page; next_cursor leads to the next one'),
    ...readProblems('cursor_invalid'),
  },
};
