import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { invalid } from '../../contract/errors.ts';
import { MEDIA_TYPES } from '../../contract/formats.ts';
import type { Storage } from '../../contract/storage.ts';
import { SlowReaders } from '../../http/slow-readers.ts';
import type { UploadGate } from '../../http/upload-gate.ts';
import type { ContentCache } from '../caches/content-cache.ts';
import type { ImageCache } from '../caches/image-cache.ts';
import type { Representation } from '../caches/representation.ts';
import { demandedTags, inTurn } from '../delivery/conditions.ts';
import { deliver } from '../delivery/deliver.ts';
import { askAlone, change } from '../request/call.ts';
import { answerOnce, operationIdOf } from '../request/idempotency.ts';
import { isCurlDefault, refuseOtherTypes } from '../request/other-types.ts';
import { queryText } from '../request/query.ts';
import { acceptRaw, admitUpload } from '../request/upload.ts';
import { acceptFileForm, FORM_OPTIONS } from '../request/upload-form.ts';
import {
  bytes,
  empty,
  IDEMPOTENCY_HEADER,
  IF_MATCH_HEADER,
  IMAGE_ID_PARAMS,
  json,
  readProblems,
  writeProblems,
} from './answers.ts';
import { imageIdOf } from './image.ts';
import { binary, FILE_FORM } from './image-form.ts';

export const CONTENT_URL = '/api/v2/images/:id/content';

export type ContentDependencies = {
  storage: Storage;
  images: ImageCache;
  contents: ContentCache;
  uploads: UploadGate;
};

/** The bytes of one image. */
export async function contentRoutes(
  scope: FastifyInstance,
  { storage, images, contents, uploads }: ContentDependencies,
): Promise<void> {
  // A logger for each delivery would cost as much as the rest of it; what is logged names its id.
  scope.setChildLoggerFactory((log, bindings, options, { method }) =>
    method === 'GET' || method === 'HEAD' ? log : log.child(bindings, options),
  );
  await scope.register(multipart, FORM_OPTIONS);
  // A raw body is left to the route, which streams it on.
  const rawTypes = [/^image\//, 'application/octet-stream'];
  scope.addContentTypeParser(rawTypes as string[], (_request, _body, done) => done(null));
  refuseOtherTypes(scope, rawRule);

  scope.get(CONTENT_URL, { schema: GET, exposeHeadRoute: false }, respond);
  scope.head(CONTENT_URL, { schema: { hide: true } }, respond);

  const delivery = { storage, contents, readers: new SlowReaders() };
  // Not async: what is kept in memory is answered without a turn of the event loop.
  function respond(request: FastifyRequest, reply: FastifyReply) {
    request.delivery = true;
    const query = queryText(request);
    const answer = (known: Representation) => {
      const fixed = query === known.revision;
      if (!fixed) requireOnlyRevision(query);
      const headers = fixed ? known.fixed : known.changing;
      return deliver(delivery, known, headers, request, reply);
    };
    const kept = images.kept((request.params as { id: string }).id);
    return kept ? answer(kept) : images.read(imageIdOf(request), request.id).then(answer);
  }

  scope.put(CONTENT_URL, { schema: PUT }, async (request, reply) => {
    const image_id = imageIdOf(request);
    const operationId = operationIdOf(request);
    const content = await admitUpload(uploads, request, operationId, (call) =>
      request.isMultipart()
        ? acceptFileForm(storage, request, call)
        : acceptRaw(storage, request, call),
    );
    const tags = await likeliestFirst(request, image_id);
    try {
      // A repetition may have been carried out under another tag of the list.
      const outcome = await inTurn(tags, 'operation_id_reused', (tag) => {
        const ifSha256 = tag === undefined ? {} : { if_sha256: tag };
        return change(request.id, operationId, (call) =>
          storage.replaceContent({ image_id, ...ifSha256 }, content, call),
        );
      });
      const image = answerOnce(reply, outcome);
      return reply.header('etag', `"${image.content.sha256}"`).send(image);
    } finally {
      images.changed(image_id);
    }
  });

  /** Of the tags in If-Match the current one, then the others: the bytes were taken for one try. */
  async function likeliestFirst(request: FastifyRequest, imageId: string) {
    const tags = demandedTags(request.headers['if-match']) ?? [undefined];
    if (tags.length === 1) return tags;
    const asking = askAlone(request.id, (call) => storage.getImage(imageId, call));
    const current = await asking.then(({ content }) => content.sha256).catch(() => undefined);
    return tags.toSorted((a, b) => Number(b === current) - Number(a === current));
  }
}

const BYTES_RULE =
  'Send the bytes as image/* or application/octet-stream, or multipart/form-data with the field image';

/** Without a type a body is bytes (RFC 9110, 8.3): `curl -T` names none. */
function rawRule(type: string | undefined): string | undefined {
  if (type === undefined) return undefined;
  return isCurlDefault(type) ? `${BYTES_RULE}; with curl: -T elf.png.` : `${BYTES_RULE}.`;
}

/** Variants do not exist yet, so there is only `v`; of other bytes it is as none. */
function requireOnlyRevision(query: string): void {
  const names = [...new URLSearchParams(query).keys()];
  const errors = names
    .filter((name, index) => name !== 'v' || index > 0)
    .map((name) => ({
      field: name,
      message:
        name === 'v' ? 'must be given only once' : 'is not a parameter here; there is only v',
    }));
  if (errors.length > 0) throw invalid(errors);
}

const TYPES = Object.values(MEDIA_TYPES);
const CONTENT_HEADERS = [
  'ETag',
  'Last-Modified',
  'Cache-Control',
  'Content-Disposition',
  'Accept-Ranges',
] as const;
const optional = (description: string) => Type.Optional(Type.String({ description }));

const GET = {
  operationId: 'getContent',
  tags: ['content'],
  summary: 'Get the bytes of an image',
  description: 'The address in `content.url` never changes its bytes and may be kept for ever.',
  params: IMAGE_ID_PARAMS,
  querystring: Type.Object({ v: optional('the first 16 digits of the SHA-256') }),
  headers: Type.Object({
    Range: optional('up to 8 byte ranges'),
    'If-Range': optional('honours Range only if this ETag or date is current'),
    'If-None-Match': optional('answers 304 if this is current'),
    'If-Modified-Since': optional('answers 304 if nothing changed since'),
  }),
  response: {
    200: bytes('the bytes', TYPES, ...CONTENT_HEADERS),
    206: bytes(
      'some of the bytes',
      [...TYPES, 'multipart/byteranges'],
      ...CONTENT_HEADERS,
      'Content-Range',
    ),
    304: empty('the bytes are still those you have', 'ETag', 'Last-Modified', 'Cache-Control'),
    ...readProblems(
      'image_not_found',
      'not_found',
      'precondition_failed',
      'range_not_satisfiable',
      'content_damaged',
    ),
  },
};
const PUT = {
  operationId: 'putContent',
  tags: ['content'],
  summary: 'Replace the bytes of an image',
  description: 'If-Match is compared with the ETag of the content.',
  params: IMAGE_ID_PARAMS,
  headers: Type.Object({ ...IDEMPOTENCY_HEADER, ...IF_MATCH_HEADER }),
  body: {
    content: {
      'multipart/form-data': { schema: FILE_FORM },
      ...Object.fromEntries(
        [...TYPES, 'application/octet-stream'].map((type) => [type, { schema: binary(type) }]),
      ),
    },
  },
  response: {
    200: json('Image', 'the image as it is now', 'ETag', 'Idempotent-Replayed'),
    ...writeProblems(
      'image_not_found',
      'precondition_failed',
      'image_unreadable',
      'image_too_large',
      'too_many_frames',
      'content_missing',
    ),
  },
};
