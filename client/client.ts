import { randomUUID } from 'node:crypto';
import type {
  Image,
  ImageFields,
  ImageFilter,
  ImagePage,
  ImagePatch,
} from '../src/contract/image.ts';
import { READ_DEADLINE_MS, WRITE_DEADLINE_MS } from '../src/contract/limits.ts';
import type { Outcome } from '../src/contract/storage.ts';
import type { Theme } from '../src/contract/theme.ts';
import { either, exchange, json } from './exchange.ts';
import { multipart } from './multipart.ts';
import { retrying } from './retry.ts';

/** The service answers within its own deadline; this much more is for the way. */
const WAY_MS = 10_000;
/** The service gives up an upload that is not over by then. */
const UPLOAD_MAX_MS = 120_000;
const PATIENCE_DEFAULT_MS = 30_000;

export type ClientOptions = {
  /** Where the service is: scheme, host and port, such as http://127.0.0.1:8000 */
  url: string;
  /** How long after a first failure a request is tried again. */
  patienceMs?: number;
  /** How long one attempt may wait for its answer. */
  readTimeoutMs?: number;
  writeTimeoutMs?: number;
  uploadTimeoutMs?: number;
  /** Once it aborts, requests under way end by themselves, but none is tried again. */
  lastAttempt?: AbortSignal;
};

export type ReadOptions = { signal?: AbortSignal };
export type WriteOptions = ReadOptions & {
  /** Names the write, so that repeating it has no further effect. Absent: a new one. */
  idempotencyKey?: string;
};

type Sending = WriteOptions & {
  headers?: Record<string, string>;
  body?: Blob;
  timeoutMs?: number;
};

/**
 * The image service over HTTP. Each call waits for the service while it is busy or restarting,
 * then throws the `ServiceError` it answered, or `UnreachableError`.
 */
export class ImageClient {
  readonly url: string;
  readonly #options: Required<Omit<ClientOptions, 'lastAttempt'>>;
  readonly #lastAttempt: AbortSignal | undefined;

  /** Throws a TypeError when `url` is none. */
  constructor({ lastAttempt, ...options }: ClientOptions) {
    this.url = new URL(options.url).href.replace(/\/+$/, '');
    this.#options = {
      patienceMs: PATIENCE_DEFAULT_MS,
      readTimeoutMs: READ_DEADLINE_MS + WAY_MS,
      writeTimeoutMs: WRITE_DEADLINE_MS + WAY_MS,
      uploadTimeoutMs: UPLOAD_MAX_MS + WRITE_DEADLINE_MS + WAY_MS,
      ...options,
    };
    this.#lastAttempt = lastAttempt;
  }

  /** The bytes must be readable again, as those of a Blob are: of a file by `fs.openAsBlob`. */
  create(fields: ImageFields, image: Blob, options?: WriteOptions): Promise<Outcome<Image>> {
    const body = multipart(formFields(fields), image);
    const timeoutMs = this.#options.uploadTimeoutMs;
    return this.#write('POST', '/images', { ...options, body, timeoutMs });
  }

  get(id: string, options?: ReadOptions): Promise<Image> {
    return this.#send('GET', imagePath(id), json<Image>, options);
  }

  /** Every image that passes the filter, fetched page by page as they are taken. */
  async *list(filter: ImageFilter = {}, options?: ReadOptions): AsyncGenerator<Image, void> {
    let cursor: string | null | undefined = filter.cursor;
    do {
      const query = queryOf(cursor ? { ...filter, cursor } : filter);
      const page = await this.#send('GET', `/images?${query}`, json<ImagePage>, options);
      yield* page.items;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** `ifVersion`: only when the image is still at this version, else precondition_failed. */
  update(
    id: string,
    patch: ImagePatch,
    { ifVersion, ...options }: WriteOptions & { ifVersion?: number } = {},
  ): Promise<Outcome<Image>> {
    const body = new Blob([JSON.stringify(patch)], { type: 'application/merge-patch+json' });
    return this.#write('PATCH', imagePath(id), { ...options, ...ifMatch(ifVersion), body });
  }

  async delete(
    id: string,
    { ifVersion, ...options }: WriteOptions & { ifVersion?: number } = {},
  ): Promise<void> {
    const sending = { ...asWrite(options), ...ifMatch(ifVersion) };
    await this.#send('DELETE', imagePath(id), (response) => response.text(), sending);
  }

  restore(
    id: string,
    { ifVersion, ...options }: WriteOptions & { ifVersion?: number } = {},
  ): Promise<Outcome<Image>> {
    return this.#write('POST', `${imagePath(id)}/restore`, { ...options, ...ifMatch(ifVersion) });
  }

  /** The bytes as a stream; read it to its end or cancel it. `range` as in HTTP: `bytes=0-99`. */
  content(
    id: string,
    { range, ...options }: ReadOptions & { range?: string } = {},
  ): Promise<Response> {
    const sending = range === undefined ? options : { ...options, headers: { range } };
    return this.#send('GET', `${imagePath(id)}/content`, async (response) => response, sending);
  }

  /** `ifSha256`: only when the content is still this one, else precondition_failed. */
  replaceContent(
    id: string,
    image: Blob,
    { ifSha256, ...options }: WriteOptions & { ifSha256?: string } = {},
  ): Promise<Outcome<Image>> {
    const body = multipart([], image);
    const timeoutMs = this.#options.uploadTimeoutMs;
    const sending = { ...options, ...ifMatch(ifSha256), body, timeoutMs };
    return this.#write('PUT', `${imagePath(id)}/content`, sending);
  }

  async themes(options?: ReadOptions): Promise<Theme[]> {
    return (await this.#send('GET', '/themes', json<{ items: Theme[] }>, options)).items;
  }

  /** Only while no image has it. Throws theme_in_use, theme_not_found. */
  async deleteTheme(name: string, options?: WriteOptions): Promise<void> {
    const path = `/themes/${encodeURIComponent(name)}`;
    await this.#send('DELETE', path, (response) => response.text(), asWrite(options ?? {}));
  }

  #write(method: string, path: string, sending: Sending): Promise<Outcome<Image>> {
    const outcome = async (response: Response) => {
      const replayed = response.headers.get('idempotent-replayed') === 'true';
      return { value: await json<Image>(response), replayed };
    };
    return this.#send(method, path, outcome, asWrite(sending));
  }

  #send<T>(
    method: string,
    path: string,
    read: (response: Response) => Promise<T>,
    { idempotencyKey, signal, body, ...sending }: Sending = {},
  ): Promise<T> {
    const headers = new Headers(sending.headers);
    if (idempotencyKey !== undefined) headers.set('idempotency-key', idempotencyKey);
    const { readTimeoutMs, writeTimeoutMs, patienceMs } = this.#options;
    const timeoutMs = sending.timeoutMs ?? (method === 'GET' ? readTimeoutMs : writeTimeoutMs);
    const request = { method, headers, body: body ?? null };
    const attempt = () =>
      exchange(`${this.url}/api/v2${path}`, request, { read, timeoutMs, signal });
    const patience = { patienceMs, signal: either(signal, this.#lastAttempt) };
    return retrying(attempt, this.url, patience);
  }
}

const imagePath = (id: string) => `/images/${encodeURIComponent(id)}`;

const asWrite = <T extends Sending>(sending: T): T => ({
  ...sending,
  idempotencyKey: sending.idempotencyKey ?? randomUUID(),
});

function ifMatch(tag: string | number | undefined): { headers?: Record<string, string> } {
  return tag === undefined ? {} : { headers: { 'if-match': `"${tag}"` } };
}

/** A tag with a comma in it would arrive as two: the form joins tags by commas. */
function* formFields(fields: ImageFields): Generator<[string, string]> {
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) for (const item of value) yield [name, String(item)];
    else yield [name, typeof value === 'object' ? JSON.stringify(value) : String(value)];
  }
}

function queryOf({ attr = {}, ...filter }: ImageFilter): URLSearchParams {
  const query = new URLSearchParams();
  const named = Object.entries(attr).map(([key, values]) => [`attr.${key}`, values] as const);
  for (const [name, value] of [...Object.entries(filter), ...named]) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item === undefined) continue;
      query.append(name, name === 'tag' ? oneTag(String(item)) : String(item));
    }
  }
  return query;
}

/** In quotes where it would be read as a list of tags. */
function oneTag(tag: string): string {
  return /[,"[{]/.test(tag) ? JSON.stringify(tag) : tag;
}
