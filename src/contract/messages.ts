import { type Static, type TSchema, Type } from 'typebox';
import { ERROR_CODES } from './errors.ts';
import {
  Image,
  ImageFields,
  ImageFilter,
  ImageId,
  ImagePage,
  ImagePatch,
  Sha256,
  Slug,
  Timestamp,
} from './image.ts';
import { CONTENT_MAX_BYTES, FILENAME_MAX_CHARACTERS, MESSAGE_CONTENT_MAX_BYTES } from './limits.ts';
import { Pong, type StorageEvent } from './storage.ts';
import { Theme, ThemeFields } from './theme.ts';

/** What travels over the Message Hub: names, and the JSON of every message. docs/message-hub.md */

export const EXCHANGE = 'dnd_events';
export const REQUEST = 'storage.request';
export const RESPONSE = 'storage.response';
export const EVENT_VERSION = '1';

/** Where requests wait. Queues of that name, and those below it, are no one's reply queue. */
export const REQUEST_QUEUE = 'storage_service';
/** Where those end that cannot be answered. */
export const DEAD_LETTER_EXCHANGE = 'dnd_events.dead';
export const DEAD_LETTER_QUEUE = 'storage_service.dead';

/** The body of a content, in a message or, without `data`, sent beside it. */
export const WireContent = Type.Object(
  {
    sha256: Sha256,
    size_bytes: Type.Integer({
      minimum: 0,
      maximum: CONTENT_MAX_BYTES,
      description: `a whole number from 0 to ${CONTENT_MAX_BYTES}`,
    }),
    media_type: Type.Optional(
      Type.String({ maxLength: 255, description: 'up to 255 characters; the bytes decide' }),
    ),
    filename: Type.Optional(
      Type.Union([Type.String({ maxLength: FILENAME_MAX_CHARACTERS }), Type.Null()], {
        description: `null, or up to ${FILENAME_MAX_CHARACTERS} characters`,
      }),
    ),
    data: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9+/]*={0,2}$',
        maxLength: Math.ceil(MESSAGE_CONTENT_MAX_BYTES / 3) * 4,
        description: `base64 of up to ${MESSAGE_CONTENT_MAX_BYTES} bytes; larger content is sent beside the message`,
      }),
    ),
  },
  { additionalProperties: false, description: 'a content', $id: 'WireContent' },
);
export type WireContent = Static<typeof WireContent>;

/** The answer of get_content: `data`, or where the bytes are, relative to the Storage Service. */
export const FoundContent = Type.Object(
  {
    sha256: Sha256,
    size_bytes: Type.Integer({ minimum: 0 }),
    media_type: Type.String(),
    data: Type.Optional(Type.String()),
    url: Type.Optional(Type.String({ pattern: '^content/[0-9a-f]{64}$' })),
  },
  { additionalProperties: false, $id: 'FoundContent' },
);
export type FoundContent = Static<typeof FoundContent>;

const IfVersion = Type.Optional(
  Type.Integer({ minimum: 1, description: 'a version: a whole number from 1' }),
);
const AnyImageId = Type.String({ description: 'the id of an image' });
const Target = Type.Object(
  { image_id: AnyImageId, if_version: IfVersion },
  { additionalProperties: false },
);
const Empty = Type.Object({}, { additionalProperties: false });
const Themes = Type.Object({ items: Type.Array(Theme) }, { additionalProperties: false });

type Operation = { data: Type.TObject; answer: TSchema; writes: boolean };

/** Every operation of a request: its data and its answer. */
export const OPERATIONS = {
  create_image: {
    data: Type.Object(
      { ...ImageFields.properties, id: Type.Optional(ImageId), content: WireContent },
      { additionalProperties: false },
    ),
    answer: Image,
    writes: true,
  },
  get_image: {
    data: Type.Object({ image_id: AnyImageId }, { additionalProperties: false }),
    answer: Image,
    writes: false,
  },
  update_image: {
    data: Type.Object(
      {
        image_id: AnyImageId,
        patch: ImagePatch,
        whole: Type.Optional(
          Type.Boolean({ description: 'true when the patch stands for all fields' }),
        ),
        if_version: IfVersion,
      },
      { additionalProperties: false },
    ),
    answer: Image,
    writes: true,
  },
  delete_image: { data: Target, answer: Empty, writes: true },
  restore_image: { data: Target, answer: Image, writes: true },
  list_images: { data: ImageFilter, answer: ImagePage, writes: false },
  replace_content: {
    data: Type.Object(
      { image_id: AnyImageId, content: WireContent, if_sha256: Type.Optional(Sha256) },
      { additionalProperties: false },
    ),
    answer: Image,
    writes: true,
  },
  get_content: {
    data: Type.Object(
      { image_id: Type.Optional(AnyImageId), sha256: Type.Optional(Sha256) },
      { additionalProperties: false },
    ),
    answer: FoundContent,
    writes: false,
  },
  list_themes: { data: Empty, answer: Themes, writes: false },
  put_theme: {
    data: Type.Object(
      { name: Theme.properties.name, ...ThemeFields.properties },
      { additionalProperties: false },
    ),
    answer: Theme,
    writes: true,
  },
  delete_theme: {
    data: Type.Object(
      { name: Type.String({ description: 'the name of a theme' }) },
      { additionalProperties: false },
    ),
    answer: Empty,
    writes: true,
  },
  ping: {
    data: Empty,
    answer: Pong,
    writes: false,
  },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[];

const UUID = '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
const OperationId = Type.String({ pattern: UUID, description: 'a UUID' });
const operationId = new RegExp(UUID);

export function isOperationId(text: string): boolean {
  return operationId.test(text);
}

export const Metadata = Type.Object({
  event_type: Type.String({ description: 'the routing key' }),
  event_version: Type.String({ description: EVENT_VERSION }),
  source_id: Type.String({ description: 'the name of the service that sends' }),
  correlation_id: Type.String({ description: 'the operation_id' }),
  timestamp: Type.String({ description: 'when it was sent, by RFC 3339 with its zone' }),
  ttl: Type.Number({ minimum: 0, description: 'seconds from the timestamp to the deadline' }),
});
export type Metadata = Static<typeof Metadata>;

export const RequestMetadata = Type.Object({
  ...Metadata.properties,
  event_type: Type.Literal(REQUEST, { description: REQUEST }),
  event_version: Type.Literal(EVENT_VERSION, { description: `"${EVENT_VERSION}"` }),
  timestamp: Timestamp,
});

/** `data` of a storage.request. */
export const Request = Type.Object({
  operation: Type.Enum(OPERATION_NAMES, {
    type: 'string',
    description: `one of ${OPERATION_NAMES.join(', ')}`,
  }),
  operation_id: OperationId,
  data: Type.Object({}, { description: 'a JSON object: the data of the operation' }),
});
export type Request = { operation: OperationName; operation_id: string; data: unknown };

/** `data` of a storage.response. */
export const Response = Type.Union([
  Type.Object({
    operation_id: Type.String(),
    status: Type.Literal('success'),
    data: Type.Object({}),
    replayed: Type.Optional(
      Type.Boolean({ description: 'the answer was kept from an earlier execution' }),
    ),
    created: Type.Optional(Type.Boolean({ description: 'put_theme made a new theme' })),
  }),
  Type.Object({
    operation_id: Type.Union([Type.String(), Type.Null()]),
    status: Type.Literal('error'),
    code: Type.Enum([...ERROR_CODES]),
    message: Type.String(),
    details: Type.Object({
      errors: Type.Optional(
        Type.Array(Type.Object({ field: Type.String(), message: Type.String() })),
      ),
      replayed: Type.Optional(Type.Boolean()),
    }),
  }),
]);
export type Response = Static<typeof Response>;

const ImageEventData = Type.Object({
  image_id: ImageId,
  version: Type.Integer({ minimum: 1 }),
  theme: Type.String(),
  type: Image.properties.type,
  sha256: Sha256,
  changed: Type.Array(Type.String()),
});

/** `data` of each event. */
export const EVENTS = {
  'image.created': ImageEventData,
  'image.updated': ImageEventData,
  'image.deleted': ImageEventData,
  'image.restored': ImageEventData,
  'theme.changed': Type.Object({ name: Slug }),
} satisfies Record<StorageEvent['event_type'], TSchema>;
export type EventName = keyof typeof EVENTS;
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

export type EventType = typeof REQUEST | typeof RESPONSE | EventName;
export const EVENT_TYPES: readonly EventType[] = [REQUEST, RESPONSE, ...EVENT_NAMES];

/** The body of every message. */
export type Body<T = unknown> = { metadata: Metadata; data: T };
