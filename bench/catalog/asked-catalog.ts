import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImagePage } from '../../src/contract/image.ts';
import { partsOf } from '../../src/storage-service/data-folder.ts';
import { HttpClient } from '../measure/http-client.ts';
import type { Run } from '../measure/question.ts';
import { type Served, serveImages } from '../measure/served-process.ts';
import { cachedCatalog } from './cached-catalog.ts';
import { randomFrom } from './generated-images.ts';
import type { Query } from './queries.ts';

const INSTANCES = 20;
/** Drawn in search of so many that fill their page. */
const DRAWS_MAX = 400;
const WALK_PAGE_ITEMS = 200;
const LIST = '/api/v2/images';

/** Settings of an edge that keeps no metadata: each request asks the storage. */
export const UNCACHED = { METADATA_CACHE_MB: '0' };

/** Different addresses of one query, and how many images they find on average. */
export type Instances = { urls: string[]; items: number };

/** A service over a copy of a generated catalog, asked over one connection. */
export class AskedCatalog<S extends Served = Served> implements AsyncDisposable {
  readonly images: number;
  /** The catalog file. */
  readonly path: string;
  /** Which is asked. */
  readonly service: S;
  readonly #client: HttpClient;
  readonly #random = randomFrom(3);

  private constructor(images: number, path: string, service: S, client: HttpClient) {
    this.images = images;
    this.path = path;
    this.service = service;
    this.#client = client;
  }

  static open(
    images: number,
    folder: string,
    run: Run,
    env: Record<string, string>,
  ): Promise<AskedCatalog> {
    return AskedCatalog.over(images, folder, run, (dataDir) => serveImages(dataDir, run, env));
  }

  /** The same of a service that `start` starts; the second time over the copy that is there. */
  static async over<S extends Served>(
    images: number,
    folder: string,
    run: Run,
    start: (dataDir: string) => Promise<S>,
  ): Promise<AskedCatalog<S>> {
    const { catalog, path } = partsOf(join(folder, String(images)));
    if (!existsSync(catalog)) {
      await mkdir(path);
      const cached = cachedCatalog(images, run.progress);
      run.progress(`copying the catalog of ${images} images`);
      await copyFile(cached, catalog);
    }
    const service = await start(path);
    return new AskedCatalog(images, catalog, service, new HttpClient(1, run.signal));
  }

  async instancesOf(query: Query): Promise<Instances> {
    const found = new Map<string, number>();
    for (let drawn = 0; drawn < DRAWS_MAX && found.size < INSTANCES; drawn++) {
      const parameters = new URLSearchParams(query.draw(this.#random, this.images));
      const first = `${LIST}?${parameters}`;
      if (found.has(first)) continue;
      const url = query.depth ? await this.#at(query.depth(this.images), parameters) : first;
      const count = (await this.#page(url)).items.length;
      if (count < query.items.atLeast || count > query.items.atMost) continue;
      found.set(url, count);
      if (query.depth && found.size === 2) break;
    }
    const counts = [...found.values()];
    if (counts.length === 0) {
      throw new Error(`${query.name}: no instance fills its page among ${this.images} images`);
    }
    const items = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    return { urls: [...found.keys()], items };
  }

  /** Milliseconds of each of `count` requests that take turns. */
  async ask(urls: readonly string[], count: number): Promise<number[]> {
    const times: number[] = [];
    for (let index = 0; index < count; index++) {
      const url = `${this.service.url}${urls[index % urls.length]}`;
      times.push((await this.#client.require(200, url)).ms);
    }
    return times;
  }

  /** Ids of images from all over the catalog. */
  async ids(): Promise<string[]> {
    const names = Array.from({ length: INSTANCES * 5 }, () => {
      const index = Math.floor(this.#random() * this.images);
      return `${LIST}?source_type=generated&source_id=generated-${index}`;
    });
    const pages = [];
    for (const name of names) pages.push(await this.#page(name));
    return pages.map(({ items }) => items[0]!.id);
  }

  /** Deletes the newest images, so many. */
  async delete(count: number): Promise<void> {
    const { items } = await this.#page(`${LIST}?limit=${count}`);
    for (const { id } of items) {
      const url = `${this.service.url}${LIST}/${id}`;
      await this.#client.require(204, url, { method: 'DELETE' });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.service[Symbol.asyncDispose]();
  }

  /** The address of the page that begins behind so many images. */
  async #at(depth: number, parameters: URLSearchParams): Promise<string> {
    const next = new URLSearchParams(parameters);
    next.set('limit', String(WALK_PAGE_ITEMS));
    for (let walked = 0; walked < depth; walked += WALK_PAGE_ITEMS) {
      const { next_cursor } = await this.#page(`${LIST}?${next}`);
      if (next_cursor === null) break;
      next.set('cursor', next_cursor);
    }
    next.delete('limit');
    return `${LIST}?${next}`;
  }

  async #page(url: string): Promise<ImagePage> {
    const { body } = await this.#client.require(200, `${this.service.url}${url}`);
    return JSON.parse(body.toString()) as ImagePage;
  }
}
