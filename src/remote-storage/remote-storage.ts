import { randomUUID } from 'node:crypto';
import { safeFilename } from '../contract/filename.ts';
import type { Image, ImageFilter, ImagePage, ImagePatch } from '../contract/image.ts';
import { type Json, toJson } from '../contract/json.ts';
import { MESSAGE_CONTENT_MAX_BYTES } from '../contract/limits.ts';
import type { OperationName, WireContent } from '../contract/messages.ts';
import type {
  Accepted,
  ByteRange,
  Call,
  Content,
  ContentClaim,
  CreateImage,
  Outcome,
  Pong,
  Storage,
  WriteCall,
} from '../contract/storage.ts';
import type { Theme, ThemeFields } from '../contract/theme.ts';
import type { ContentClient } from './content-client.ts';
import type { Requester } from './requester.ts';
import { SharedReads } from './shared-reads.ts';

type Contents = Pick<ContentClient, 'put' | 'discard' | 'get'>;
type Target = { image_id: string; if_version?: number };

/** The Storage of another process: commands over the hub, bytes beside it over HTTP. */
export class RemoteStorage implements Storage {
  readonly #requester: Requester;
  readonly #contents: Contents;
  readonly #reads = new SharedReads();

  constructor(requester: Requester, contents: Contents) {
    this.#requester = requester;
    this.#contents = contents;
  }

  async acceptContent(
    bytes: AsyncIterable<Uint8Array>,
    sent: { filename: string | null; sha256?: string },
    call: WriteCall,
  ): Promise<Accepted> {
    const { sha256, size_bytes, media_type, ...size } = await this.#contents.put(
      bytes,
      sent.sha256,
      call,
    );
    const claim = { sha256, size_bytes, media_type, filename: safeFilename(sent.filename) };
    return { claim, ...size };
  }

  discardContent(call: WriteCall): Promise<void> {
    return this.#contents.discard(call);
  }

  async createImage(
    fields: CreateImage,
    content: ContentClaim,
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    const carried = await this.#carried(content, call);
    return this.#write('create_image', { ...fields, content: carried }, call);
  }

  getImage(imageId: string, call: Call): Promise<Image> {
    return this.#read('get_image', { image_id: imageId }, call);
  }

  updateImage(
    change: Target & { patch: ImagePatch; whole?: boolean },
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    return this.#write('update_image', change, call);
  }

  deleteImage(target: Target, call: WriteCall): Promise<Outcome<Record<string, never>>> {
    return this.#write('delete_image', target, call);
  }

  restoreImage(target: Target, call: WriteCall): Promise<Outcome<Image>> {
    return this.#write('restore_image', target, call);
  }

  listImages(filter: ImageFilter, call: Call): Promise<Json<ImagePage>> {
    return this.#read('list_images', filter, call, (page) => toJson(page as ImagePage));
  }

  async replaceContent(
    change: { image_id: string; if_sha256?: string },
    content: ContentClaim,
    call: WriteCall,
  ): Promise<Outcome<Image>> {
    const carried = await this.#carried(content, call);
    return this.#write('replace_content', { ...change, content: carried }, call);
  }

  getContent(sha256: string, range: ByteRange | null, call: Call): Promise<Content> {
    return this.#contents.get(sha256, range, call);
  }

  listThemes(call: Call): Promise<{ items: Theme[] }> {
    return this.#read('list_themes', {}, call);
  }

  async putTheme(
    name: string,
    fields: ThemeFields,
    call: WriteCall,
  ): Promise<Outcome<{ theme: Theme; created: boolean }>> {
    const answer = await this.#ask('put_theme', { ...fields, name }, call);
    const { data, replayed, created } = answer;
    return { value: { theme: data as Theme, created }, replayed };
  }

  deleteTheme(name: string, call: WriteCall): Promise<Outcome<Record<string, never>>> {
    return this.#write('delete_theme', { name }, call);
  }

  async ping(call: Call): Promise<Pong> {
    return (await this.#requester.ask('ping', randomUUID(), {}, call)).data as Pong;
  }

  /** What is read from now on has all changes that were heard of. */
  changed(): void {
    this.#reads.endSharing();
  }

  /** `made` is done once, however many share the read. */
  #read<T>(
    operation: OperationName,
    data: object,
    call: Call,
    made = (answer: unknown) => answer as T,
  ): Promise<T> {
    return this.#reads.share(`${operation} ${JSON.stringify(data)}`, call, async (shared) => {
      return made((await this.#requester.ask(operation, randomUUID(), data, shared)).data);
    });
  }

  async #write<T>(operation: OperationName, data: object, call: WriteCall): Promise<Outcome<T>> {
    const { data: value, replayed } = await this.#ask(operation, data, call);
    return { value: value as T, replayed };
  }

  async #ask(operation: OperationName, data: object, call: WriteCall) {
    try {
      return await this.#requester.ask(operation, call.operationId, data, call);
    } finally {
      this.changed();
    }
  }

  /** Bytes that come with the call ride in the message if they are few, else they are sent before. */
  async #carried({ data, ...claim }: ContentClaim, call: WriteCall): Promise<WireContent> {
    if (!data) return claim;
    const { sha256 } = claim;
    if (data.length <= MESSAGE_CONTENT_MAX_BYTES) {
      return { ...claim, data: Buffer.from(data).toString('base64') };
    }
    await this.#contents.put(once(data), sha256, call);
    return claim;
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
