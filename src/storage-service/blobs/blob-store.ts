import type { ServiceError } from '../../contract/errors.ts';
import type { ByteRange } from '../../contract/storage.ts';

export type BlobId = { sha256: string; size_bytes: number };
export type StoredBlob = BlobId & { modified_at: Date };

/**
 * Keeps bytes under the SHA-256 of them. A blob never changes, so every call may be repeated.
 * All calls throw storage_unavailable when the medium fails, `put` storage_full when it is full.
 */
export interface BlobStore {
  /**
   * Copies or links a local file of `size_bytes` in; durable when it answers. A blob that is
   * there already is replaced: who calls `put` did not believe it. The file stays.
   */
  put(sha256: string, path: string, sizeBytes: number): Promise<void>;

  /** Whether the blob is there with the same bytes as a local file. Compares all of them. */
  holds(sha256: string, path: string): Promise<boolean>;

  /**
   * The bytes of a blob or of one range within it; undefined when it is absent. The end of the
   * reading, also an early return, frees what is open. Throws content_damaged when the blob has
   * another size; a whole reading also when its bytes do not have their hash, before its last chunk.
   */
  read(blob: BlobId, range: ByteRange | null): Promise<AsyncIterable<Uint8Array> | undefined>;

  /**
   * The SHA-256 that the stored bytes have, or undefined when the blob is absent. `pace` is awaited
   * after each chunk, with its size.
   */
  hash(sha256: string, pace?: (bytes: number) => Promise<void>): Promise<string | undefined>;

  /** Bytes, or undefined when the blob is absent. */
  size(sha256: string): Promise<number | undefined>;

  /** False when there was none. */
  delete(sha256: string): Promise<boolean>;

  /** Takes damaged bytes out of the store without destroying them. False when there were none. */
  setAside(sha256: string): Promise<boolean>;

  /** Fails unless blobs can be read. Answers with the error that a `put` would get now. */
  ping(): Promise<ServiceError | undefined>;

  /**
   * Every blob, in no order; one that comes or goes meanwhile may be missed. Also what is no file and
   * has the name of a blob. What cannot be looked at is thrown after all others.
   */
  list(): AsyncIterable<StoredBlob>;
}
