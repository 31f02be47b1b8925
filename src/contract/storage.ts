import { type Static, Type } from 'typebox';
import { ERROR_CODES } from './errors.ts';
import {
  type Image,
  ImageFields,
  type ImageFilter,
  ImageId,
  type ImagePage,
  type ImagePatch,
  Sha256,
} from './image.ts';
import type { Json } from './json.ts';
import { CONTENT_MAX_BYTES, FILENAME_MAX_CHARACTERS } from './limits.ts';
import type { Theme, ThemeFields } from './theme.ts';

/**
 * Storage: everything that can be asked of the state. The Store is one; a client that carries the
 * calls across a hub is another, so arguments and answers are plain values and streams.
 *
 * Every call fails with a `ServiceError`. Any of them may fail with `invalid_request`,
 * `storage_unavailable`, `overloaded`, `deadline_exceeded` or `internal`; a write also with
 * `storage_full`, `operation_id_reused`, and, where the answer was lost, `outcome_unknown`.
 * Methods name the further codes.
 */

/** What accompanies every call. A call ends by its deadline, or when its signal aborts. */
export type Call = {
  /** Follows one request through every log. */
  requestId: string;
  /** Milliseconds since the epoch. A write that has not begun to commit by then never does. */
  deadline: number;
  signal: AbortSignal;
};

/**
 * A write is named by its operation: repeating it with the same id and payload has no further
 * effect and gets the same answer (24 h); with another payload it fails, `operation_id_reused`.
 */
export type WriteCall = Call & { /** a UUID */ operationId: string };

export type Outcome<T> = {
  value: T;
  /** The answer was kept from an earlier execution of the same operation. */
  replayed: boolean;
};

/** Says which bytes a write means: those in `data`, or those accepted under its operation id. */
export const ContentClaim = Type.Object(
  {
    /** Of the bytes as they were sent. */
    sha256: Sha256,
    size_bytes: Type.Integer({ minimum: 0, maximum: CONTENT_MAX_BYTES }),
    media_type: Type.Optional(Type.String({ maxLength: 255 })),
    filename: Type.Optional(
      Type.Union([Type.String({ maxLength: FILENAME_MAX_CHARACTERS }), Type.Null()]),
    ),
    data: Type.Optional(Type.Unsafe<Uint8Array>(Type.Any())),
  },
  { additionalProperties: false },
);
export type ContentClaim = Static<typeof ContentClaim>;

/** Bytes that storage took: how a write claims them, and what they turned out to be. */
export type Accepted = {
  claim: ContentClaim;
  /** Pixels as displayed. */
  width: number;
  height: number;
  /** The operation had these bytes already. */
  repeated: boolean;
};

export const CreateImage = Type.Object(
  { ...ImageFields.properties, id: Type.Optional(ImageId) },
  { additionalProperties: false },
);
export type CreateImage = Static<typeof CreateImage>;

/** Bytes of one content, or of one range of them. */
export type Content = {
  sha256: string;
  media_type: string;
  /** Of the whole content, whatever the range. */
  size_bytes: number;
  /** Must be read to its end or returned early; either frees what it holds. */
  bytes: AsyncIterable<Uint8Array>;
};

/** First and last byte, both included, as in HTTP. */
export type ByteRange = { first: number; last: number };

/** What a storage that can be read says of itself. */
export const Pong = Type.Object(
  {
    version: Type.String(),
    degraded: Type.Optional(
      Type.Object(
        { code: Type.Enum([...ERROR_CODES]), message: Type.String() },
        {
          additionalProperties: false,
          description: 'why a write fails now, as its error would say; absent while writes work',
        },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Pong = Static<typeof Pong>;

export interface Storage {
  /**
   * Takes the bytes of a coming `createImage` or `replaceContent` with the same operation id:
   * limited while they flow, inspected, durable before the answer. Accepting the same bytes again
   * is harmless. Bytes that no write claims within an hour are dropped.
   * Throws invalid_request when their SHA-256 is not `sent.sha256`; content_too_large,
   * unsupported_media_type, image_unreadable, image_too_large, too_many_frames;
   * operation_id_reused when the operation already has other bytes.
   */
  acceptContent(
    bytes: AsyncIterable<Uint8Array>,
    sent: { filename: string | null; sha256?: string },
    call: WriteCall,
  ): Promise<Accepted>;

  /** Drops bytes accepted under this operation that no write has claimed. */
  discardContent(call: WriteCall): Promise<void>;

  /**
   * Throws content_missing when the claimed bytes are not there (accept them again, then repeat),
   * image_exists when `id` names another image, too_many_themes, and what `acceptContent` throws.
   */
  createImage(fields: CreateImage, content: ContentClaim, call: WriteCall): Promise<Outcome<Image>>;

  /** Throws image_not_found, also when the image is deleted. */
  getImage(imageId: string, call: Call): Promise<Image>;

  /**
   * `patch` merges; with `whole` it stands for all fields, the absent ones at their defaults.
   * A change that changes nothing still counts as a version.
   * Throws image_not_found, precondition_failed, too_many_themes.
   */
  updateImage(
    change: { image_id: string; patch: ImagePatch; whole?: boolean; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Image>>;

  /** Deleting again succeeds. Throws image_not_found for an unknown id, precondition_failed. */
  deleteImage(
    target: { image_id: string; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Record<string, never>>>;

  /** A live image stays unchanged. Throws image_not_found once purged, precondition_failed. */
  restoreImage(
    target: { image_id: string; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Image>>;

  /**
   * A page is text, as it is large and nobody on its way reads it.
   * Throws cursor_invalid; deadline_exceeded when the query takes over a second.
   */
  listImages(filter: ImageFilter, call: Call): Promise<Json<ImagePage>>;

  /** Throws image_not_found, precondition_failed, content_missing, and what `acceptContent` does. */
  replaceContent(
    change: { image_id: string; if_sha256?: string },
    content: ContentClaim,
    call: WriteCall,
  ): Promise<Outcome<Image>>;

  /**
   * The bytes of a content that an image has, or had within the last day.
   * Throws not_found; range_not_satisfiable when the range begins past the end; content_damaged when
   * they are missing or have another size, and, of a whole content before its last chunk, when they do
   * not have their hash.
   */
  getContent(sha256: string, range: ByteRange | null, call: Call): Promise<Content>;

  listThemes(call: Call): Promise<{ items: Theme[] }>;

  /** `created` tells a new description from a changed one. Throws theme_cycle, too_many_themes. */
  putTheme(
    name: string,
    fields: ThemeFields,
    call: WriteCall,
  ): Promise<Outcome<{ theme: Theme; created: boolean }>>;

  /**
   * Deleting again succeeds for a day. Throws theme_not_found for an unknown name, theme_in_use while
   * an image has the theme, deleted ones that can be restored included, or a theme has it as parent.
   */
  deleteTheme(name: string, call: WriteCall): Promise<Outcome<Record<string, never>>>;

  /** Answers when the state can be read; `degraded` tells why a write would fail now. */
  ping(call: Call): Promise<Pong>;
}

/** Says that an image changed; published after the change is durable, at least once. */
export type ImageEvent = {
  /** Stable across repetitions. */
  message_id: string;
  event_type: 'image.created' | 'image.updated' | 'image.deleted' | 'image.restored';
  data: {
    image_id: string;
    version: number;
    theme: string;
    type: Image['type'];
    sha256: string;
    /** Names of the fields that changed. */
    changed: string[];
  };
};

/** Says that a theme was described, anew or again, or deleted; published like an event of an image. */
export type ThemeEvent = {
  message_id: string;
  event_type: 'theme.changed';
  data: { name: string };
};

export type StorageEvent = ImageEvent | ThemeEvent;

/** Where changes are heard: in one process the Store itself, across processes the hub. */
export interface StorageEvents {
  /** Whether changes are heard now; while they are not, what was learnt before may be stale. */
  readonly heard: boolean;

  /**
   * `missed` is called when events may have been lost: what was learnt before may be stale.
   * Returns the function that ends the subscription.
   */
  subscribe(listener: (event: StorageEvent) => void, missed?: () => void): () => void;
}
