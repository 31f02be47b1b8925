import { type Static, Type } from 'typebox';
import { FORMATS, MEDIA_TYPES } from './formats.ts';
import {
  DESCRIPTION_MAX_CHARACTERS,
  FILTER_MAX_VALUES,
  IMAGE_MAX_SIDE_PIXELS,
  IMAGE_MAX_TAGS,
  LABEL_MAX_CHARACTERS,
  NAME_MAX_CHARACTERS,
  PAGE_DEFAULT_ITEMS,
  PAGE_MAX_ITEMS,
  SEARCH_MAX_CHARACTERS,
  SEARCH_MAX_WORDS,
  SOURCE_MAX_CHARACTERS,
} from './limits.ts';

/**
 * The image as every door shows it. In this folder a `description` completes the sentence
 * "must be …": it is the documentation of a field and the error of a value that breaks it.
 */

export const IMAGE_TYPES = ['portrait', 'token', 'map', 'item', 'other'] as const;
export const VISIBILITIES = ['public', 'private'] as const;
export const SORTS = ['-created_at', 'created_at', '-updated_at', 'name'] as const;
const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const SHA256 = '^[0-9a-f]{64}$';
/**
 * No control characters, no halves of surrogate pairs, and no U+FFFD, which stands where text was
 * not the UTF-8 that it should be. Without \p{…}, which the regular expressions of Python lack.
 */
export const LINE = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff\\ufffd]*$';
/** The same, line breaks and tabs allowed. */
const TEXT =
  '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ud800-\\udfff\\ufffd]*$';

const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Enum(values, { type: 'string', description: `one of ${values.join(', ')}` });

const line = (maxLength: number) =>
  Type.String({
    minLength: 1,
    maxLength,
    pattern: LINE,
    description: `1 to ${maxLength} characters of UTF-8 on one line, without control characters`,
  });

export const orNull = <T extends Type.TSchema>(schema: T) =>
  Type.Union([schema, Type.Null()], {
    description: `null, or ${(schema as { description?: string }).description}`,
  });

const uuid = new RegExp(UUID);
const sha256 = new RegExp(SHA256);

export function isImageId(text: string): boolean {
  return uuid.test(text);
}

export function isSha256(text: string): boolean {
  return sha256.test(text);
}

export const ImageId = Type.String({ pattern: UUID, description: 'a UUID in lower case' });
export const Sha256 = Type.String({
  pattern: SHA256,
  description: 'a SHA-256 as 64 lower-case hexadecimal digits',
});
export const Slug = Type.String({
  maxLength: LABEL_MAX_CHARACTERS,
  pattern: '^[a-z0-9]+(_[a-z0-9]+)*$',
  description: `a theme of up to ${LABEL_MAX_CHARACTERS} letters from a to z, digits and single underscores between them, such as high_fantasy; "High Fantasy" and "high-fantasy" mean the same`,
});
export const Timestamp = Type.String({
  pattern:
    '^\\d{4}-\\d\\d-\\d\\d[Tt]([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?([Zz]|[+-]\\d\\d:\\d\\d)$',
  description: 'a time by RFC 3339 with its zone, such as 2026-01-31T18:00:00Z',
});

const AttributeScalar = Type.Union([
  Type.String({ pattern: TEXT }),
  Type.Number(),
  Type.Boolean(),
  Type.Null(),
]);
export const AttributeValue = Type.Union([AttributeScalar, Type.Array(AttributeScalar)], {
  description: 'a string, number, boolean, null, or an array of them',
});
/** `__proto__` cannot pass the pattern; the other two names of an object's inside are refused. */
export const ATTRIBUTE_KEY = '^(?!constructor$|prototype$)[A-Za-z][A-Za-z0-9_.-]{0,49}$';
const Attributes = Type.Record(Type.String({ pattern: ATTRIBUTE_KEY }), AttributeValue, {
  additionalProperties: false,
  description:
    'a JSON object of one level; keys start with a letter, followed by up to 49 letters, digits, _ . or -, and are not constructor or prototype; values are a string, number, boolean, null, or an array of them',
});

const Tag = line(LABEL_MAX_CHARACTERS);
const Tags = Type.Array(Tag, {
  maxItems: IMAGE_MAX_TAGS,
  description: `up to ${IMAGE_MAX_TAGS} tags of 1 to ${LABEL_MAX_CHARACTERS} characters`,
});
const Description = Type.String({
  maxLength: DESCRIPTION_MAX_CHARACTERS,
  pattern: TEXT,
  description: `up to ${DESCRIPTION_MAX_CHARACTERS} characters of UTF-8, of control characters only tabs and line breaks`,
});

/** What a client says about an image. */
export const ImageFields = Type.Object(
  {
    type: oneOf(IMAGE_TYPES),
    name: line(NAME_MAX_CHARACTERS),
    theme: Slug,
    subtype: Type.Optional(orNull(line(LABEL_MAX_CHARACTERS))),
    description: Type.Optional(orNull(Description)),
    tags: Type.Optional(Tags),
    attributes: Type.Optional(Attributes),
    source_type: Type.Optional(orNull(line(LABEL_MAX_CHARACTERS))),
    source_id: Type.Optional(orNull(line(SOURCE_MAX_CHARACTERS))),
    visibility: Type.Optional(oneOf(VISIBILITIES)),
  },
  { additionalProperties: false },
);
export type ImageFields = Static<typeof ImageFields>;

/** A merge patch (RFC 7396): `attributes` merge by key, `tags` replace, null clears. */
export const ImagePatch = Type.Object(
  {
    type: Type.Optional(ImageFields.properties.type),
    name: Type.Optional(ImageFields.properties.name),
    theme: Type.Optional(Slug),
    subtype: ImageFields.properties.subtype,
    description: ImageFields.properties.description,
    tags: Type.Optional(orNull(Tags)),
    attributes: Type.Optional(orNull(Attributes)),
    source_type: ImageFields.properties.source_type,
    source_id: ImageFields.properties.source_id,
    visibility: Type.Optional(orNull(oneOf(VISIBILITIES))),
  },
  { additionalProperties: false },
);
export type ImagePatch = Static<typeof ImagePatch>;

const Count = Type.Integer({ minimum: 0 });

export const ImageContent = Type.Object(
  {
    url: Type.String(),
    media_type: Type.Enum(Object.values(MEDIA_TYPES)),
    size_bytes: Count,
    width: Type.Integer({ minimum: 1, description: 'pixels as displayed' }),
    height: Type.Integer({ minimum: 1, description: 'pixels as displayed' }),
    sha256: Type.String({ pattern: SHA256, description: 'of the bytes served' }),
    source_sha256: Type.String({ pattern: SHA256, description: 'of the bytes sent' }),
    filename: Type.Union([Type.String(), Type.Null()]),
    pages: Type.Integer({ minimum: 1, description: 'frames of an animation, else 1' }),
    placeholder: Type.String({ description: 'a ThumbHash in base64' }),
    palette: Type.Array(Type.String({ pattern: '^#[0-9a-f]{6}$' }), { maxItems: 5 }),
    updated_at: Type.String({ format: 'date-time', description: 'when the image got these bytes' }),
  },
  { additionalProperties: false },
);
export type ImageContent = Static<typeof ImageContent>;

const nullableString = Type.Union([Type.String(), Type.Null()]);
const AnswerTimestamp = Type.String({ format: 'date-time' });

export const Image = Type.Object(
  {
    id: ImageId,
    type: oneOf(IMAGE_TYPES),
    subtype: nullableString,
    name: Type.String(),
    description: nullableString,
    theme: Slug,
    tags: Type.Array(Type.String()),
    attributes: Attributes,
    source_type: nullableString,
    source_id: nullableString,
    owner: nullableString,
    visibility: oneOf(VISIBILITIES),
    content: ImageContent,
    version: Type.Integer({ minimum: 1 }),
    created_at: AnswerTimestamp,
    updated_at: AnswerTimestamp,
    deleted_at: Type.Union([AnswerTimestamp, Type.Null()]),
  },
  { additionalProperties: false, $id: 'Image' },
);
export type Image = Static<typeof Image>;

const anyOf = <T extends Type.TSchema>(schema: T) =>
  Type.Optional(
    Type.Array(schema, {
      minItems: 1,
      maxItems: FILTER_MAX_VALUES,
      description: `${(schema as { description?: string }).description}; up to ${FILTER_MAX_VALUES} values`,
    }),
  );
const Label = line(LABEL_MAX_CHARACTERS);
const MinSide = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: IMAGE_MAX_SIDE_PIXELS,
    description: `a whole number from 1 to ${IMAGE_MAX_SIDE_PIXELS}`,
  }),
);

/** Different filters AND; several tags AND; several values of another filter OR. */
export const ImageFilter = Type.Object(
  {
    type: anyOf(oneOf(IMAGE_TYPES)),
    subtype: anyOf(Label),
    theme: anyOf(Label),
    tag: anyOf(Tag),
    source_type: anyOf(Label),
    source_id: anyOf(line(SOURCE_MAX_CHARACTERS)),
    owner: anyOf(line(SOURCE_MAX_CHARACTERS)),
    format: anyOf(oneOf(FORMATS)),
    visibility: anyOf(oneOf(VISIBILITIES)),
    attr: Type.Optional(
      Type.Record(
        Type.String({ pattern: ATTRIBUTE_KEY }),
        Type.Array(Type.String(), { minItems: 1, maxItems: FILTER_MAX_VALUES }),
        {
          additionalProperties: false,
          maxProperties: FILTER_MAX_VALUES,
          description: `up to ${FILTER_MAX_VALUES} filters attr.<key>=<value>; a key starts with a letter, followed by up to 49 letters, digits, _ . or -, and is not constructor or prototype`,
        },
      ),
    ),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: SEARCH_MAX_CHARACTERS,
        description: `up to ${SEARCH_MAX_WORDS} words to search for, up to ${SEARCH_MAX_CHARACTERS} characters`,
      }),
    ),
    min_width: MinSide,
    min_height: MinSide,
    created_after: Type.Optional(Timestamp),
    created_before: Type.Optional(Timestamp),
    deleted: Type.Optional(Type.Boolean({ description: 'true or false' })),
    sort: Type.Optional(oneOf(SORTS)),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: PAGE_MAX_ITEMS,
        default: PAGE_DEFAULT_ITEMS,
        description: `a whole number from 1 to ${PAGE_MAX_ITEMS}`,
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        maxLength: 2_000,
        description: 'the next_cursor of the page before, with the same filters and sort',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ImageFilter = Static<typeof ImageFilter>;

/** What a page tells beside its images. */
export const Hints = Type.Optional(
  Type.Array(
    Type.Object({
      field: Type.String({ description: 'the filter' }),
      message: Type.String({ description: 'a sentence for people, such as "Did you mean …?"' }),
    }),
    { description: 'present when a filter probably does not do what was meant' },
  ),
);
export const ImagePage = Type.Object(
  { items: Type.Array(Image), next_cursor: nullableString, hints: Hints },
  { additionalProperties: false, $id: 'ImagePage' },
);
export type ImagePage = Static<typeof ImagePage>;
