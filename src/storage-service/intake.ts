import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError, toServiceError } from '../contract/errors.ts';
import { CONTENT_MAX_BYTES } from '../contract/limits.ts';
import { formatOf, HEAD_BYTES, unsupportedFormat } from '../media/formats.ts';
import type { Edit, ImageFacts, Inspector } from '../media/inspector.ts';
import { applyEdits } from '../media/location/apply.ts';
import { abortable } from './abortable.ts';
import { diskFault } from './disk-fault.ts';

/** Chunks of a stream are gathered to this size: fewer, larger writes. */
const WRITE_BYTES = 256 * 1024;
/** Of a slow body, what has come is written so often: many of them hold little memory. */
const WRITE_EVERY_MS = 1_000;
/** A chunk of one byte costs some 250 bytes of memory. */
const WRITE_MAX_CHUNKS = 1_024;
/** Of the intake, and of the probe for hard links: a hash tells of a file on its way into the blob store. */
const OWN_NAME = /^[0-9a-f-]{36}(?:\.clean|\.([0-9a-f]{64}))?$/;
/** Some location data shows only once other is gone; a file that has still more is no honest one. */
const INSPECTIONS_MAX_PASSES = 4;

/** Bytes that passed the intake, in a file of their own. */
export type Staged = {
  path: string;
  sha256: string;
  size_bytes: number;
  /** Of the bytes as they were sent; another than `sha256` when location data was removed. */
  source_sha256: string;
  source_size_bytes: number;
  facts: ImageFacts;
};

type Received = { path: string; sha256: string; size_bytes: number };
type Turn = { signal: AbortSignal; deadline: number };
type KnownFacts = (sha256: string) => Promise<ImageFacts | undefined>;
/** Told of each stream that was taken; `known`: the same bytes were inspected before. */
export type Taken = (size_bytes: number, known: boolean) => void;

/**
 * The one way in for bytes, whichever door they come by: limited and hashed while they flow to a
 * file, recognised by their first bytes, inspected, freed of location data.
 */
export class Intake {
  readonly #folder: string;
  readonly #inspector: Inspector;
  readonly #known: KnownFacts;
  readonly #taken: Taken;
  /** Names of the streams that are passing through. */
  readonly #passing = new Set<string>();

  /** `known` tells what an earlier inspection of the same bytes found. */
  constructor(folder: string, inspector: Inspector, known: KnownFacts, taken: Taken = () => {}) {
    this.#folder = folder;
    this.#inspector = inspector;
    this.#known = known;
    this.#taken = taken;
  }

  /**
   * Passes one stream through, hands what came of it to `use`, and removes its files whatever
   * happens. Throws what `Storage.acceptContent` names.
   */
  async take<T>(
    bytes: AsyncIterable<Uint8Array>,
    turn: Turn,
    use: (staged: Staged) => Promise<T>,
  ): Promise<T> {
    const name = randomUUID();
    this.#passing.add(name);
    const files = [join(this.#folder, name)];
    try {
      const received = await receive(bytes, files[0]!, turn.signal, () =>
        this.#inspector.prepare?.(),
      );
      const { known, ...clean } = await this.#inspected(received, turn);
      const path = `${clean.path}.${clean.sha256}`;
      files.push(path);
      await fs.rename(clean.path, path);
      const source = { source_sha256: received.sha256, source_size_bytes: received.size_bytes };
      const used = await use({ ...clean, path, ...source });
      this.#taken(received.size_bytes, known);
      return used;
    } catch (error) {
      throw toServiceError(diskFault(error));
    } finally {
      // What a failing disk keeps, `recover` removes when it works again.
      await Promise.all(files.map((file) => fs.rm(file, { force: true }).catch(() => {})));
      this.#passing.delete(name);
    }
  }

  /**
   * Removes what a process that died, or a disk that failed, left behind. A file that carries a
   * hash in its name was on its way into the blob store: `settle` is told, before the file goes.
   * Answers with the names of foreign entries, which stay. Throws the first failure at the end.
   */
  async recover(settle: (sha256: string) => Promise<unknown>): Promise<string[]> {
    const { own, foreign } = await leftOver(this.#folder);
    const failures: unknown[] = [];
    for (const name of own) {
      if (this.#passing.has(name.split('.')[0]!)) continue;
      const sha256 = OWN_NAME.exec(name)?.[1];
      try {
        if (sha256) await settle(sha256);
        await fs.rm(join(this.#folder, name), { force: true });
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return foreign;
  }

  async #inspected(
    received: Received,
    turn: Turn,
  ): Promise<Received & { facts: ImageFacts; known: boolean }> {
    let found = received;
    for (let pass = 0; pass < INSPECTIONS_MAX_PASSES; pass += 1) {
      const known = await this.#known(found.sha256);
      if (known) return { ...found, facts: known, known: true };
      // What is served must itself have passed the inspection.
      const { facts, edits } = await this.#inspector.inspect(found.path, turn);
      if (edits.length === 0) return { ...found, facts, known: false };
      found = await cleaned(found.path, edits);
    }
    const message = 'The location data of the image cannot be removed. Save it anew without it.';
    throw new ServiceError('image_unreadable', message);
  }
}

/**
 * What is in the folder of an intake: its own files, and what other programs put there, such as the
 * `@eaDir` of a NAS or `lost+found`.
 */
export async function leftOver(folder: string): Promise<{ own: string[]; foreign: string[] }> {
  const own: string[] = [];
  const foreign: string[] = [];
  for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
    (entry.isFile() && OWN_NAME.test(entry.name) ? own : foreign).push(entry.name);
  }
  return { own, foreign };
}

/** The file with its edits applied, under its old name. */
async function cleaned(path: string, edits: readonly Edit[]): Promise<Received> {
  const clean = `${path}.clean`;
  try {
    await applyEdits(path, clean, edits);
    const received = await measure(clean);
    await fs.rename(clean, path);
    return { ...received, path };
  } finally {
    await fs.rm(clean, { force: true });
  }
}

async function receive(
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
  prepare: () => void,
): Promise<Received> {
  const file = await fs.open(path, 'wx');
  try {
    const hash = createHash('sha256');
    const sink = new Sink(file);
    let size = 0;
    let head: Uint8Array | undefined = new Uint8Array();
    for await (const chunk of abortable(bytes, signal)) {
      size += chunk.length;
      if (size > CONTENT_MAX_BYTES) throw tooLarge();
      if (head) {
        head = Buffer.concat([head, chunk]);
        if (head.length >= HEAD_BYTES) head = requireFormat(head);
      } else prepare();
      hash.update(chunk);
      await sink.write(chunk);
    }
    if (head) requireFormat(head);
    await sink.end();
    return { path, sha256: hash.digest('hex'), size_bytes: size };
  } finally {
    await file.close();
  }
}

/** Writes behind: the next chunks are received and hashed while the last ones go to the disk. */
class Sink {
  readonly #file: fs.FileHandle;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #flushedAt = performance.now();

  constructor(file: fs.FileHandle) {
    this.#file = file;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const due =
      this.#waitingBytes >= WRITE_BYTES ||
      this.#waiting.length >= WRITE_MAX_CHUNKS ||
      performance.now() - this.#flushedAt >= WRITE_EVERY_MS;
    if (due) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const chunks = this.#waiting;
    const expected = this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#flushedAt = performance.now();
    if (expected === 0) return;
    this.#writing = writeAll(this.#file, chunks, expected);
    // Whoever awaits it next gets the failure; until then it is not an unhandled one.
    this.#writing.catch(() => {});
  }
}

/** writev(2) may write less than it was given, on a disk that is nearly full for one. */
async function writeAll(file: fs.FileHandle, chunks: Uint8Array[], size: number): Promise<void> {
  let { bytesWritten } = await file.writev(chunks);
  if (bytesWritten === size) return;
  const rest = Buffer.concat(chunks);
  while (bytesWritten < size) {
    bytesWritten += (await file.write(rest, bytesWritten)).bytesWritten;
  }
}

async function measure(path: string): Promise<Received> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await fs.open(path, 'r');
  for await (const chunk of file.createReadStream({ highWaterMark: WRITE_BYTES })) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { path, sha256: hash.digest('hex'), size_bytes: size };
}

/** Nothing more of the head is needed once it shows a supported format. */
function requireFormat(head: Uint8Array): undefined {
  if (formatOf(head)) return undefined;
  throw unsupportedFormat(head);
}

export function tooLarge(): ServiceError {
  const message = `The file is larger than ${CONTENT_MAX_BYTES} bytes (${CONTENT_MAX_BYTES / 1024 ** 2} MiB), the most that is taken.`;
  return new ServiceError('content_too_large', message);
}
