import type { ServiceError } from '../../contract/errors.ts';
import type {
  Image,
  ImageFields,
  ImageFilter,
  ImagePage,
  ImagePatch,
} from '../../contract/image.ts';
import type { Json } from '../../contract/json.ts';
import type { Call, StorageEvent } from '../../contract/storage.ts';
import type { Theme, ThemeFields } from '../../contract/theme.ts';
import type { ImageFacts } from '../../media/inspector.ts';

/** A blob that is durable in the blob store, and what its inspection found. */
export type Blob = ImageFacts & { sha256: string; size_bytes: number };

/** Keeps a blob that no image refers to: bytes just accepted, or bytes given up a short while ago. */
export type Lease = {
  operation_id: string;
  sha256: string;
  source_sha256: string;
  source_size_bytes: number;
  expires_at: number;
};

/** A change of one image. The claimed content is found by the lease of the same operation. */
export type ImageCommand =
  | { operation: 'create_image'; fields: ImageFields & { id?: string }; content: Claim }
  | {
      operation: 'update_image';
      image_id: string;
      patch: ImagePatch;
      whole: boolean;
      if_version: number | null;
    }
  | { operation: 'delete_image'; image_id: string; if_version: number | null }
  | { operation: 'restore_image'; image_id: string; if_version: number | null }
  | { operation: 'replace_content'; image_id: string; if_sha256: string | null; content: Claim };

export type ThemeCommand =
  | { operation: 'put_theme'; name: string; fields: ThemeFields }
  | { operation: 'delete_theme'; name: string };
export type Command = ImageCommand | ThemeCommand;

/** Hash and size are of the bytes as they were sent, or as they are kept. */
export type Claim = { sha256: string; size_bytes: number; filename: string | null };

export type Operation = {
  operation_id: string;
  /** Equal for equal payloads; tells a repetition from another use of the same id. */
  fingerprint: string;
  /** Milliseconds since the epoch; past it the command is not executed. */
  deadline: number;
};

export type Written = {
  /** The image, `{ theme, created }` of put_theme, or `{}` of a deletion. */
  answer: unknown;
  replayed: boolean;
  /** What to publish; absent when nothing changed or the answer is an old one. */
  event?: StorageEvent;
};

/** `place` rises with each event; `created_at` is in milliseconds since the epoch. */
export type RecordedEvent = {
  place: number;
  event: StorageEvent;
  created_at: number;
  /** Of the change; null of one made by an older release. */
  operation_id: string | null;
};

export type Usage = { images: number; blobs: number; bytes: number };

/**
 * Rows about images, blobs and themes. Every call is one transaction; a write is durable when it
 * answers. All calls throw `ServiceError`: storage_unavailable, storage_full (writes),
 * deadline_exceeded, overloaded; methods name the rest.
 */
export interface Catalog {
  /** Deleted ones too; undefined when unknown or purged. */
  findImage(imageId: string, call: Call): Promise<Image | undefined>;

  /** Throws cursor_invalid; invalid_request when `q` holds too many words; a query ends within a second. */
  listImages(filter: ImageFilter, call: Call): Promise<Json<ImagePage>>;

  /** In order of name. */
  listThemes(call: Call): Promise<Theme[]>;

  findBlob(sha256: string): Promise<Blob | undefined>;

  /**
   * Records a durable blob together with what keeps it. The same lease again is harmless: true.
   * Throws operation_id_reused when the operation leases other bytes, storage_full when the bytes
   * leased and not claimed pass their bound.
   */
  addLease(lease: Lease, blob: Blob, deadline: number): Promise<boolean>;

  /** Lets the operation's lease expire now. The blobs to release. */
  expireLease(operationId: string): Promise<string[]>;

  /** Lets every lease of bytes that were accepted and not claimed expire now. */
  expireUploadLeases(): Promise<void>;

  /**
   * Executes a command exactly once for its operation: rows, search row, event, used lease and
   * kept answer change together. Throws the codes that `Storage` names for the call.
   */
  write(command: Command, operation: Operation): Promise<Written>;

  /** Removes images deleted before that time for good; their bytes stay leased. How many. */
  purge(deletedBefore: number, limit: number): Promise<number>;

  /** The oldest events that are not known to be published, in order of their changes. */
  unpublishedEvents(limit: number): Promise<RecordedEvent[]>;

  /** The events up to this place are published. */
  eventsPublished(place: number): Promise<void>;

  /** Forgets answers and events that are no longer kept. How many. */
  forget(now: number, limit: number): Promise<number>;

  /** Blobs with an expired lease, and those forgotten whose bytes may still be there. */
  blobsToRelease(now: number, limit: number): Promise<string[]>;

  /**
   * Drops the blob's expired leases, and its row unless an image or another lease refers to it.
   * True when there is no row any more: its bytes are to be deleted, and then `blobDeleted` told.
   */
  forgetBlob(sha256: string, now: number): Promise<boolean>;

  /** The bytes of a forgotten blob are deleted. */
  blobDeleted(sha256: string): Promise<void>;

  /** Brings what speeds up searches into order, a little at a time. True while there is more. */
  tidy(): Promise<boolean>;

  /** A page of blobs in order of hash, for checks of the whole. */
  blobsAfter(sha256: string, limit: number): Promise<Blob[]>;

  /** Ids of up to `limit` images that have these bytes. */
  imagesOfBlob(sha256: string, limit: number): Promise<string[]>;

  /** What is wrong within the catalog, a sentence each; nothing is changed. */
  check(): Promise<string[]>;

  /** Makes anew what follows from the images: search rows and counts. */
  rebuild(): Promise<void>;

  /** Fails unless the catalog can be read. Answers with the error that a write would get now. */
  ping(call: Call): Promise<ServiceError | undefined>;

  usage(): Promise<Usage>;

  close(): Promise<void>;
}
