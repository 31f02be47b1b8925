import { type TSchema, Type } from 'typebox';
import { ImageFields } from '../../contract/image.ts';
import { FIELDS_EXAMPLE } from './examples.ts';

/** What the OpenAPI document says of forms. */

/**
 * Bytes, as OpenAPI 3.1 has them: a string with `format: binary` becomes a text in the types that
 * generators make, and a File is none.
 */
export const binary = (type: string, description?: string) =>
  Type.Unsafe<unknown>({ contentMediaType: type, ...(description && { description }) });

export const FILE = binary('application/octet-stream', 'PNG, JPEG, WebP, GIF or AVIF, to 25 MiB');

const { type, name, theme, subtype, description, source_type, source_id, visibility } =
  ImageFields.properties;

type TextSchema = { minLength?: number; description?: string; enum?: string[] };

/**
 * A field that a form may leave empty, as it cannot say null. The page fills in the first example,
 * and sends no field that is empty.
 */
function optional(field: TSchema, example: string) {
  const { anyOf: [text] = [field] } = field as { anyOf?: TSchema[] };
  const { minLength: _, description: rule, ...bounds } = text as TextSchema;
  const schema = {
    ...bounds,
    ...(bounds.enum && { enum: ['', ...bounds.enum] }),
    description: `${rule}; empty for none`,
    examples: ['', example],
  };
  return Type.Optional(Type.Unsafe<string>(schema));
}

/** The page fills in the example. */
function required<T extends TSchema>(schema: T, example: string): T {
  return { ...schema, examples: [example] };
}

/** The form of a new image. */
export const IMAGE_FORM = Type.Object(
  {
    type: required(type, FIELDS_EXAMPLE.type),
    name: required(name, FIELDS_EXAMPLE.name),
    theme: required(theme, FIELDS_EXAMPLE.theme),
    subtype: optional(subtype, FIELDS_EXAMPLE.subtype!),
    description: optional(description, FIELDS_EXAMPLE.description!),
    tags: Type.Optional(
      Type.Array(Type.String(), {
        description: 'repeated, as lists separated by commas, or as a JSON array',
        examples: [[], FIELDS_EXAMPLE.tags],
      }),
    ),
    attributes: optional(
      Type.String({
        description:
          'a JSON object of one level, such as {"artist":"Hildr","age":41}; long numbers, such as ids of 64 bits, as text',
      }),
      JSON.stringify(FIELDS_EXAMPLE.attributes),
    ),
    source_type: optional(source_type, 'character'),
    source_id: optional(source_id, '1042'),
    visibility: optional(visibility, 'private'),
    image: FILE,
  },
  { additionalProperties: false },
);

/** The form of new bytes. */
export const FILE_FORM = Type.Object({ image: FILE }, { additionalProperties: false });
