import { check } from '../contract/check.ts';
import { ServiceError, themeNotFound } from '../contract/errors.ts';
import {
  createFields,
  patchFields,
  themeFields,
  themeName,
  wholeFields,
} from '../contract/fields.ts';
import { safeFilename } from '../contract/filename.ts';
import {
  type Image,
  type ImageFields,
  type ImageFilter,
  type ImagePage,
  type ImagePatch,
  isImageId,
  isSha256,
} from '../contract/image.ts';
import type { Json } from '../contract/json.ts';
import { listFilter } from '../contract/list-filter.ts';
import {
  type Accepted,
  type ByteRange,
  type Call,
  type Content,
  ContentClaim,
  type CreateImage,
  type Outcome,
  type Pong,
  type Storage,
  type StorageEvent,
  type StorageEvents,
  type WriteCall,
} from '../contract/storage.ts';
import type { Theme, ThemeFields } from '../contract/theme.ts';
import { isSlug, themeSlug } from '../contract/theme-names.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import { contentDamaged, type DamageObserver } from './blobs/damage.ts';
import type { Catalog, Claim, Command } from './catalog/catalog.ts';
import { described, imageNotFound, live } from './catalog/change.ts';
import { fingerprint } from './fingerprint.ts';
import type { Intake, Staged } from './intake.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Sweeper } from './sweeper.ts';

/** Bytes that were accepted wait so long for the write that claims them. */
const LEASE_MS = 60 * 60 * 1000;

type Parts = {
  version: string;
  catalog: Catalog;
  blobs: BlobStore;
  intake: Pick<Intake, 'take'>;
  sweeper: Sweeper;
  observer: DamageObserver;
  /** By SHA-256: holds off the sweeper between a blob's check or write and its row. */
  locks: KeyedLock;
};

/**
 * The state: blobs and the catalog, kept in agreement.
 *
 * Bytes before rows: a blob is durable before any row names it, and a lease row keeps it until the
 * write that claims it commits. A process that dies leaves at worst a blob that the sweeper removes.
 */
export class Store implements Storage, StorageEvents {
  readonly #parts: Parts;
  readonly #listeners = new Set<(event: StorageEvent) => void>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async acceptContent(
    bytes: AsyncIterable<Uint8Array>,
    sent: { filename: string | null; sha256?: string },
    call: WriteCall,
  ): Promise<Accepted> {
    return this.#parts.intake.take(bytes, call, async (staged) => {
      const { source_sha256: sha256, source_size_bytes: size_bytes } = staged;
      if (sent.sha256 !== undefined && sent.sha256 !== sha256) {
        const message = `The bytes arrived with the SHA-256 ${sha256}, not the one that was announced.`;
        throw new ServiceError('invalid_request', message);
      }
      const repeated = await this.#keepBlob(staged, call);
      const { media_type, width, height } = staged.facts;
      const filename = safeFilename(sent.filename);
      return { claim: { sha256, size_bytes, media_type, filename }, width, height, repeated };
    });
  }

  async discardContent({ operationId }: WriteCall): Promise<void> {
    const expired = await this.#parts.catalog.expireLease(operationId);
    await this.#parts.sweeper.release(expired);
  }

  async createImage(
    input: CreateImage,
    content: ContentClaim,
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    const { id, ...said } = createFields(input);
    const fields = { ...described(said), ...(id !== undefined && { id }) } as ImageFields;
    const claim = await this.#claim(content, call);
    return this.#writeContent({ operation: 'create_image', fields, content: claim }, call);
  }

  async getImage(imageId: string, call: Call): Promise<Image> {
    requireImageId(imageId);
    return live(await this.#parts.catalog.findImage(imageId, call));
  }

  async updateImage(
    change: { image_id: string; patch: ImagePatch; whole?: boolean; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    const { image_id, whole = false } = change;
    const if_version = change.if_version ?? null;
    requireImageId(image_id);
    const patch = whole
      ? (described(wholeFields(change.patch)) as ImagePatch)
      : patchFields(change.patch);
    return this.#write({ operation: 'update_image', image_id, patch, whole, if_version }, call);
  }

  async deleteImage(
    target: { image_id: string; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Record<string, never>>> {
    requireImageId(target.image_id);
    const { image_id } = target;
    const if_version = target.if_version ?? null;
    return this.#write({ operation: 'delete_image', image_id, if_version }, call);
  }

  async restoreImage(
    target: { image_id: string; if_version?: number },
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    requireImageId(target.image_id);
    const { image_id } = target;
    const if_version = target.if_version ?? null;
    return this.#write({ operation: 'restore_image', image_id, if_version }, call);
  }

  async listImages(filter: ImageFilter, call: Call): Promise<Json<ImagePage>> {
    return this.#parts.catalog.listImages(listFilter(filter), call);
  }

  async replaceContent(
    change: { image_id: string; if_sha256?: string },
    content: ContentClaim,
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    const { image_id } = change;
    const if_sha256 = change.if_sha256 ?? null;
    requireImageId(image_id);
    const claim = await this.#claim(content, call);
    const command = { operation: 'replace_content', image_id, if_sha256, content: claim } as const;
    return this.#writeContent(command, call);
  }

  async getContent(sha256: string, range: ByteRange | null, _call: Call): Promise<Content> {
    const blob = isSha256(sha256) ? await this.#parts.catalog.findBlob(sha256) : undefined;
    if (!blob) throw contentNotFound();
    const { media_type, size_bytes } = blob;
    if (range && range.first >= size_bytes) {
      const message = `The range begins past the end; the content has ${size_bytes} bytes.`;
      throw new ServiceError('range_not_satisfiable', message);
    }
    const bytes = await this.#parts.blobs.read({ sha256, size_bytes }, range);
    if (!bytes) throw await this.#missing(sha256);
    return { sha256, media_type, size_bytes, bytes };
  }

  async listThemes(call: Call): Promise<{ items: Theme[] }> {
    return { items: await this.#parts.catalog.listThemes(call) };
  }

  async putTheme(
    name: string,
    input: ThemeFields,
    call: WriteCall,
  ): Promise<Outcome<{ theme: Theme; created: boolean }>> {
    const command = { operation: 'put_theme', name: themeName(name), fields: themeFields(input) };
    return this.#write(command as Command, call);
  }

  async deleteTheme(name: string, call: WriteCall): Promise<Outcome<Record<string, never>>> {
    const slug = themeSlug(name);
    if (!isSlug(slug)) throw themeNotFound();
    return this.#write({ operation: 'delete_theme', name: slug }, call);
  }

  async ping(call: Call): Promise<Pong> {
    const { version, catalog, blobs } = this.#parts;
    const failures = await Promise.all([catalog.ping(call), blobs.ping()]);
    const failure = failures.find((failed) => failed !== undefined);
    if (!failure) return { version };
    return { version, degraded: { code: failure.code, message: failure.message } };
  }

  get heard(): boolean {
    return true;
  }

  subscribe(listener: (event: StorageEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The row may have gone between the look at it and the look at its file. */
  async #missing(sha256: string): Promise<ServiceError> {
    if (!(await this.#parts.catalog.findBlob(sha256))) return contentNotFound();
    this.#parts.observer.damaged(sha256, 'missing');
    return contentDamaged(sha256, 'missing');
  }

  /**
   * Makes the blob durable unless it is known to be, and leases it to the operation. True when the
   * operation had it already. Bytes that are there are compared: sending a file again repairs it.
   */
  async #keepBlob(staged: Staged, call: WriteCall): Promise<boolean> {
    const { catalog, blobs, locks } = this.#parts;
    const { sha256, size_bytes, path, facts, source_sha256, source_size_bytes } = staged;
    return locks.hold(sha256, async () => {
      const known = await catalog.findBlob(sha256);
      if (!known || !(await blobs.holds(sha256, path))) {
        await blobs.put(sha256, path, size_bytes);
      }
      const operation_id = call.operationId;
      const expires_at = Date.now() + LEASE_MS;
      const lease = { operation_id, sha256, source_sha256, source_size_bytes, expires_at };
      try {
        return await catalog.addLease(lease, { sha256, size_bytes, ...facts }, call.deadline);
      } catch (error) {
        // Without a row nobody would look for the bytes; on a full disk they are in the way.
        if (!known && !mayHaveHappened(error)) await blobs.delete(sha256).catch(() => {});
        throw error;
      }
    });
  }

  /** Checks what a write says of its bytes, and accepts those it brings along. */
  async #claim(content: ContentClaim, call: WriteCall): Promise<Claim> {
    const filename = safeFilename(content.filename);
    const { sha256, size_bytes, data } = check(ContentClaim, { ...content, filename });
    if (data) await this.acceptContent(once(data), { filename, sha256 }, call);
    return { sha256, size_bytes, filename };
  }

  /**
   * Bytes that came with a request which did not need them go at once: until the next sweep they
   * would count as unclaimed, and a flood of such requests would leave no room for others.
   */
  async #writeContent(command: Command, call: WriteCall): Promise<Outcome<Image>> {
    let needed = false;
    try {
      const outcome = await this.#write<Image>(command, call);
      needed = !outcome.replayed;
      return outcome;
    } finally {
      // The next sweep does what fails here.
      if (!needed) await this.#parts.sweeper.releaseExpired().catch(() => {});
    }
  }

  async #write<T>(command: Command, call: WriteCall): Promise<Outcome<T>> {
    const operation = {
      operation_id: call.operationId,
      fingerprint: fingerprint(command),
      deadline: call.deadline,
    };
    const { answer, replayed, event } = await this.#parts.catalog.write(command, operation);
    if (event) for (const listener of this.#listeners) listener(event);
    return { value: answer as T, replayed };
  }
}

function contentNotFound(): ServiceError {
  return new ServiceError('not_found', 'There is no content with this hash.');
}

function requireImageId(imageId: string): void {
  if (!isImageId(imageId)) throw imageNotFound();
}

/** The row may be there, or come as soon as the disk works again: then it needs its bytes. */
function mayHaveHappened(error: unknown): boolean {
  const { code } = error as Partial<ServiceError>;
  return code === 'outcome_unknown' || code === 'storage_unavailable';
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
