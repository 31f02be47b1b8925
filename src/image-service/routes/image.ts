import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify';
import { Type } from 'typebox';
import { ServiceError } from '../../contract/errors.ts';
import { patchFields, wholeFields } from '../../contract/fields.ts';
import { ImageFields, ImagePatch, Image as ImageSchema, isImageId } from '../../contract/image.ts';
import type { Outcome, Storage, WriteCall } from '../../contract/storage.ts';
import type { ImageCache } from '../caches/image-cache.ts';
import type { Representation } from '../caches/representation.ts';
import { demandedTags, evaluate, inTurn } from '../delivery/conditions.ts';
import type { Admission } from '../request/admission.ts';
import { change } from '../request/call.ts';
import { answerOnce, operationIdOf, operationIdOfAttempt } from '../request/idempotency.ts';
import { takeJson } from '../request/json-body.ts';
import {
  empty,
  IDEMPOTENCY_HEADER,
  IF_MATCH_HEADER,
  IMAGE_ID_PARAMS,
  JSON_TYPE,
  json,
  readProblems,
  writeProblems,
} from './answers.ts';
import { FIELDS_EXAMPLE, PATCH_EXAMPLE } from './examples.ts';

const URL = '/api/v2/images/:id';
/** Says that no version is the demanded one: versions begin at 1. */
const NO_VERSION = 0;
const READ_ONLY = Object.keys(ImageSchema.properties).filter(
  (name) => !Object.hasOwn(ImageFields.properties, name),
);

/** One image: its metadata, its end and its return. */
export async function imageRoutes(
  scope: FastifyInstance,
  { storage, images, admission }: { storage: Storage; images: ImageCache; admission: Admission },
): Promise<void> {
  takeJson(scope, ['application/json', 'application/merge-patch+json']);

  // What is kept costs too little to wait for a turn.
  const kept: preHandlerHookHandler = (request, reply, next) => {
    const known = images.current((request.params as { id: string }).id);
    if (known) describe(known, request, reply);
    else admission.hooks.preHandler(request, reply, next);
  };
  const read = { schema: GET, preHandler: kept, onSend: admission.hooks.onSend };
  scope.get(URL, read, async (request, reply) => {
    describe(await images.read(imageIdOf(request), request.id), request, reply);
    return reply;
  });

  scope.patch(URL, { schema: PATCH, ...admission.hooks }, async (request, reply) => {
    const image_id = imageIdOf(request);
    const patch = patchFields(request.body);
    const outcome = await write(request, image_id, (if_version, call) =>
      storage.updateImage({ image_id, patch, ...if_version }, call),
    );
    const image = answerOnce(reply, outcome);
    return reply.header('etag', `"${image.version}"`).send(image);
  });

  scope.put(URL, { schema: PUT, ...admission.hooks }, async (request, reply) => {
    const image_id = imageIdOf(request);
    const patch = wholeFields(withoutReadOnly(request.body));
    const outcome = await write(request, image_id, (if_version, call) =>
      storage.updateImage({ image_id, patch, whole: true, ...if_version }, call),
    );
    const image = answerOnce(reply, outcome);
    return reply.header('etag', `"${image.version}"`).send(image);
  });

  scope.delete(URL, { schema: DELETE, ...admission.hooks }, async (request, reply) => {
    const image_id = imageIdOf(request);
    const outcome = await write(request, image_id, (if_version, call) =>
      storage.deleteImage({ image_id, ...if_version }, call),
    );
    answerOnce(reply, outcome);
    return reply.code(204).send();
  });

  scope.post(`${URL}/restore`, { schema: RESTORE, ...admission.hooks }, async (request, reply) => {
    const image_id = imageIdOf(request);
    const outcome = await write(request, image_id, (if_version, call) =>
      storage.restoreImage({ image_id, ...if_version }, call),
    );
    const image = answerOnce(reply, outcome);
    return reply.header('etag', `"${image.version}"`).send(image);
  });

  /** Carries a change out under its If-Match and Idempotency-Key; what was cached is forgotten. */
  async function write<T>(
    request: FastifyRequest,
    imageId: string,
    start: (ifVersion: { if_version?: number }, call: WriteCall) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const operationId = operationIdOf(request);
    const tags = demandedTags(request.headers['if-match']);
    const demanding = (tag: string, id: string) =>
      change(request.id, id, (call) => start({ if_version: toVersion(tag) }, call));
    try {
      if (!tags) return await change(request.id, operationId, (call) => start({}, call));
      if (tags.length === 1) return await demanding(tags[0]!, operationId);
      // One after the other, each an operation: a repetition then finds the same ones answered.
      return await inTurn(tags, 'precondition_failed', (tag) =>
        demanding(tag, operationIdOfAttempt(operationId, tag)),
      );
    } finally {
      images.changed(imageId);
    }
  }
}

/** Answers with the metadata of an image, or that they are still those which the client has. */
function describe(
  { image, text }: Representation,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const etag = `"${image.version}"`;
  const outcome = evaluate(request.headers, { etag, lastModified: Date.parse(image.updated_at) });
  reply.header('etag', etag);
  reply.header('cache-control', image.visibility === 'public' ? 'no-cache' : 'private, no-store');
  if (outcome === 304) reply.code(304).send();
  else if (outcome === 200) reply.type(JSON_TYPE).send(text);
  else {
    // Throws where the tags themselves are wrong.
    demandedTags(request.headers['if-match']);
    throw new ServiceError('precondition_failed', `The image has version ${image.version}.`);
  }
}

/** Throws image_not_found for what cannot be an id. */
export function imageIdOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  if (isImageId(id)) return id;
  throw new ServiceError('image_not_found', 'There is no image with this id.');
}

function toVersion(tag: string): number {
  return /^[1-9]\d{0,14}$/.test(tag) ? Number(tag) : NO_VERSION;
}

/** Who puts back what a GET gave must not have to pick it apart. */
function withoutReadOnly(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !READ_ONLY.includes(name)));
}

const PATCH_BODY = { ...ImagePatch, examples: [PATCH_EXAMPLE] };
const PUT_BODY = Type.Object(ImageFields.properties, { examples: [FIELDS_EXAMPLE] });
const CHANGE_HEADERS = Type.Object({ ...IDEMPOTENCY_HEADER, ...IF_MATCH_HEADER });
const CHANGE_PROBLEMS = ['image_not_found', 'precondition_failed'] as const;
const CHANGED = json('Image', 'the image as it is now', 'ETag', 'Idempotent-Replayed');

const GET = {
  operationId: 'getImage',
  tags: ['images'],
  summary: 'Describe an image',
  params: IMAGE_ID_PARAMS,
  headers: Type.Object({
    'If-None-Match': Type.Optional(Type.String({ description: 'answers 304 if this is current' })),
  }),
  response: {
    200: json('Image', 'the image', 'ETag', 'Cache-Control'),
    304: empty('the version is still the one you have', 'ETag', 'Cache-Control'),
    ...readProblems(...CHANGE_PROBLEMS),
  },
};
const PATCH = {
  operationId: 'patchImage',
  tags: ['images'],
  summary: 'Change some metadata',
  description: 'A merge patch (RFC 7396): attributes merge by key, tags replace, null clears.',
  params: IMAGE_ID_PARAMS,
  headers: CHANGE_HEADERS,
  body: {
    content: {
      'application/merge-patch+json': { schema: PATCH_BODY },
      'application/json': { schema: PATCH_BODY },
    },
  },
  response: { 200: CHANGED, ...writeProblems(...CHANGE_PROBLEMS, 'too_many_themes') },
};
const PUT = {
  operationId: 'putImage',
  tags: ['images'],
  summary: 'Replace all metadata',
  description: 'Absent optional fields become their defaults; read-only fields are ignored.',
  params: IMAGE_ID_PARAMS,
  headers: CHANGE_HEADERS,
  body: {
    content: { 'application/json': { schema: PUT_BODY } },
  },
  response: { 200: CHANGED, ...writeProblems(...CHANGE_PROBLEMS, 'too_many_themes') },
};
const DELETE = {
  operationId: 'deleteImage',
  tags: ['images'],
  summary: 'Delete an image',
  description: 'It can be restored until the retention ends. Deleting again is harmless.',
  params: IMAGE_ID_PARAMS,
  headers: CHANGE_HEADERS,
  response: {
    204: empty('the image is deleted', 'Idempotent-Replayed'),
    ...writeProblems(...CHANGE_PROBLEMS),
  },
};
const RESTORE = {
  operationId: 'restoreImage',
  tags: ['images'],
  summary: 'Restore a deleted image',
  description: 'A live image stays as it is.',
  params: IMAGE_ID_PARAMS,
  headers: CHANGE_HEADERS,
  response: { 200: CHANGED, ...writeProblems(...CHANGE_PROBLEMS) },
};
