import type { ServiceError } from '../../contract/errors.ts';
import type { ByteRange } from '../../contract/storage.ts';

export type StoredBlob = { sha256: string; size_bytes: number; modified_at: Date };

/**
 * Keeps bytes under the SHA-256 of them. A blob never changes, so every call may be repeated.
 * All calls throw storage_unavailable when the medium fails, `put` storage_full when it is full.
 */
export interface BlobStore {
  /**
   * Copies or links a local file of `size_bytes` in; durable when it answers. A blob that is
   * there already is written anew: who calls `put` did not believe it. The file stays.
   */
  put(sha256: string, path: string, sizeBytes: number): Promise<void>;

  /**
   * The bytes of a blob or of one range within it; undefined when it is absent. The end of the
   * reading, also an early return, frees what is open.
   */
  read(sha256: string, range: ByteRange | null): Promise<AsyncIterable<Uint8Array> | undefined>;

  /** Bytes, or undefined when the blob is absent. */
  size(sha256: string): Promise<number | undefined>;

  /** False when there was none. */
  delete(sha256: string): Promise<boolean>;

  /** Takes damaged bytes out of the store without destroying them. False when there were none. */
  setAside(sha256: string): Promise<boolean>;

  /** Fails unless blobs can be read. Answers with the error that a `put` would get now. */
  ping(): Promise<ServiceError | undefined>;

  /** Every blob, in no order; one that comes or goes meanwhile may be missed. */
  list(): AsyncIterable<StoredBlob>;
}
