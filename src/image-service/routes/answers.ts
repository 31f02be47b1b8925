import { type TSchema, Type } from 'typebox';
import { ERROR_CODES, type ErrorCode } from '../../contract/errors.ts';
import { Hints, ImageContent, Image as ImageSchema } from '../../contract/image.ts';
import { Theme } from '../../contract/theme.ts';
import { statusOf } from '../../http/status.ts';
import { IMAGE_EXAMPLE, PROBLEM_EXAMPLE, THEME_EXAMPLE } from './examples.ts';
import { binary } from './image-form.ts';
import { openSchema } from './open-schema.ts';

/** What the OpenAPI document says of answers. The answers are typed, so nothing here runs. */

const ref = (name: string) => ({ $ref: `${name}#` }) as unknown as TSchema;

const FieldError = Type.Object({
  field: Type.String({ description: 'the field, parameter or header; empty for the whole body' }),
  message: Type.String(),
});
const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'what was wrong, and what would be right' }),
    code: Type.Enum([...ERROR_CODES]),
    request_id: Type.String(),
    errors: Type.Optional(Type.Array(FieldError)),
  },
  { $id: 'Problem', examples: [PROBLEM_EXAMPLE] },
);
const ImageDocument = Type.Object(
  { ...ImageSchema.properties, content: ref('ImageContent') },
  { $id: 'Image', examples: [IMAGE_EXAMPLE] },
);
const ImagePageDocument = Type.Object(
  {
    items: Type.Array(ref('Image')),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
    hints: Hints,
  },
  { $id: 'ImagePage' },
);
const ImageContentDocument = Type.Object(ImageContent.properties, { $id: 'ImageContent' });
const ThemeList = Type.Object({ items: Type.Array(ref('Theme')) }, { $id: 'ThemeList' });

/** The schemas that the document names. */
export const SHARED_SCHEMAS = [
  ImageContentDocument,
  ImageDocument,
  ImagePageDocument,
  { ...Theme, examples: [THEME_EXAMPLE] },
  ThemeList,
  ProblemSchema,
].map(openSchema);

const header = (description: string) => ({ type: 'string', description });
const HEADERS = {
  'X-Request-ID': header('the id of the request in every log'),
  ETag: header('the version of what is answered'),
  Location: header('where the new resource is'),
  'Idempotent-Replayed': header('true when the answer was kept from an earlier execution'),
  'Retry-After': header('seconds to wait before the request is repeated'),
  'Content-Range': header('which bytes of how many'),
  'Last-Modified': header('when the image last changed'),
  'Cache-Control': header('how long the answer may be kept'),
  'Content-Disposition': header('the name of the file'),
  'Accept-Ranges': header('bytes'),
  Allow: header('the methods taken here'),
} as const;

function headers(...names: (keyof typeof HEADERS)[]) {
  return Object.fromEntries(
    ['X-Request-ID' as const, ...names].map((name) => [name, HEADERS[name]]),
  );
}

/** Of an answer whose JSON is text already. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** A JSON answer. */
export function json(
  schema: string | TSchema,
  description: string,
  ...names: (keyof typeof HEADERS)[]
) {
  const content = { schema: typeof schema === 'string' ? ref(schema) : openSchema(schema) };
  return { description, headers: headers(...names), content: { 'application/json': content } };
}

/** Plain text. */
export function text(schema: TSchema, description: string) {
  return { description, headers: headers(), content: { 'text/plain': { schema } } };
}

/** An answer without a body. */
export function empty(description: string, ...names: (keyof typeof HEADERS)[]) {
  return { type: 'null', description, headers: headers(...names) };
}

/** The bytes of an image. */
export function bytes(description: string, types: string[], ...names: (keyof typeof HEADERS)[]) {
  const content = Object.fromEntries(types.map((type) => [type, { schema: binary(type) }]));
  return { description, headers: headers(...names), content };
}

const READ_ERRORS = ['storage_unavailable', 'overloaded', 'deadline_exceeded', 'internal'] as const;
const ALL_ERRORS = [
  'invalid_request',
  'request_forbidden',
  'method_not_allowed',
  'request_timeout',
  'rate_limited',
  'headers_too_large',
] as const;
const WRITE_ERRORS = [
  ...READ_ERRORS,
  'idempotency_key_reused',
  'outcome_unknown',
  'storage_full',
  'content_too_large',
  'unsupported_media_type',
] as const;

export const readProblems = (...codes: ErrorCode[]) => problems([...READ_ERRORS, ...codes]);
export const writeProblems = (...codes: ErrorCode[]) => problems([...WRITE_ERRORS, ...codes]);

/** One answer for each status that the codes have; any request may meet those of ALL_ERRORS. */
export function problems(codes: readonly ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...ALL_ERRORS, ...codes])) {
    const { status } = statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const answers = [...byStatus].map(([status, list]) => {
    const names = list.some((code) => statusOf(code).retryAfter) ? (['Retry-After'] as const) : [];
    const answer = {
      description: list.join(', '),
      headers: headers(...names),
      content: { 'application/problem+json': { schema: ref('Problem') } },
    };
    return [status, answer] as const;
  });
  return Object.fromEntries(answers);
}

export const IMAGE_ID_PARAMS = Type.Object({
  id: Type.String({
    format: 'uuid',
    description: 'the id of an image: an upload or a list tells it',
  }),
});

/** Request headers of writes and conditional requests. */
export const IDEMPOTENCY_HEADER = {
  'Idempotency-Key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'makes repeating the request harmless: visible ASCII, kept for 24 h',
    }),
  ),
};
export const IF_MATCH_HEADER = {
  'If-Match': Type.Optional(
    Type.String({ description: 'the ETag that the resource must have; a list or * are taken' }),
  ),
};
