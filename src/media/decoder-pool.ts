import { ServiceError } from '../contract/errors.ts';
import { MEDIA_TYPES } from '../contract/formats.ts';
import { IMAGE_MAX_PIXELS } from '../contract/limits.ts';
import { DecoderDiedError, type DecoderLimits, DecoderProcess } from './decoder-process.ts';
import type { Edit, ImageFacts, Inspector } from './inspector.ts';
import { Tickets } from './tickets.ts';

type Inspection = { facts: ImageFacts; edits: Edit[] };

export type DecoderPoolOptions = DecoderLimits & {
  /** Inspections at once. */
  jobs: number;
  /** Inspections that wait for their turn. */
  queueMax: number;
  /** Pixels being decoded at once. */
  pixelsMax: number;
  /** How long the process stays without work at least. */
  idleMs: number;
  /** How long it stays at most, where images have come in such intervals. */
  warmMaxMs: number;
  /** A process that holds more does not stay longer than `idleMs`. */
  warmMaxBytes: number;
};

export const DECODER_DEFAULTS: DecoderPoolOptions = {
  // More would starve libuv's pool of four in the process: file reads would wait behind decodes.
  jobs: 2,
  // With those at work as many as the hub hands out at once. On busy cores a decode takes 150 ms: the
  // last one waits 2 s.
  queueMax: 30,
  pixelsMax: IMAGE_MAX_PIXELS,
  // The largest image accepted needs 5 s of a slow core, and smaller machines are three times slower.
  stepCpuMaxMs: 15_000,
  // Together with a second try less than a write may take (WRITE_DEADLINE_MS). A disk that answers
  // at all does so sooner.
  stallMaxMs: 5_000,
  // A demanding image that gets a sixth of a core; its sender has left long before.
  stepMaxMs: 60_000,
  // A start needs 0.2 s of a core.
  startMaxMs: 10_000,
  // 144 megapixels as a progressive JPEG need 0.9 GiB, as GIF 0.7, as WebP 0.2. AVIF alone comes
  // near: it takes 2 GiB at 140 megapixels, or at 90 of 10 bits without subsampling.
  memoryMaxBytes: 3 * 1024 ** 3,
  // Longer than the pauses of an import, and then 85 MB are given back.
  idleMs: 30_000,
  // A start costs 0.2 s of processor time: once in a while nobody notices.
  warmMaxMs: 15 * 60_000,
  // Without work it holds 85 MB; what a large image left behind goes with the process.
  warmMaxBytes: 120 * 1024 ** 2,
};

/**
 * Inspects images in one decoder process, started when it is needed, replaced when it dies, ended
 * when it idles for twice as long as it did the last time: where images come every few minutes, none
 * of them waits for a start, and where they are rare, no memory is kept for them. An inspection reads the header first; the pixels it tells of are then taken from
 * those that may be in flight.
 */
export class DecoderPool implements Inspector {
  readonly #options: DecoderPoolOptions;
  readonly #jobs: Tickets;
  readonly #pixels: Tickets;
  readonly #closing = new AbortController();
  #process: DecoderProcess | null = null;
  #idle: NodeJS.Timeout | null = null;
  #restedAt: number | null = null;
  #lastPauseMs = 0;

  constructor(options: Partial<DecoderPoolOptions> = {}) {
    this.#options = { ...DECODER_DEFAULTS, ...options };
    this.#jobs = new Tickets(this.#options.jobs);
    this.#pixels = new Tickets(this.#options.pixelsMax);
  }

  /** What it does now, for metrics. */
  get load(): { jobs: number; waiting: number; pixels: number; running: boolean } {
    return {
      jobs: this.#jobs.taken,
      waiting: this.#jobs.waiting,
      pixels: this.#pixels.taken,
      running: this.#process?.ended === false,
    };
  }

  async inspect(
    path: string,
    { signal, deadline }: { signal: AbortSignal; deadline: number },
  ): Promise<Inspection> {
    if (this.#jobs.waiting >= this.#options.queueMax) {
      throw new ServiceError('overloaded', 'Too many images wait to be read. Try again soon.');
    }
    const ending = new AbortController();
    const left = Math.max(0, deadline - Date.now());
    const timer = setTimeout(
      () => ending.abort(tooLate('The time for this request ran out.')),
      left,
    );
    const abort = () => ending.abort(asServiceError(signal.reason));
    const close = () => ending.abort(new ServiceError('overloaded', 'The service is stopping.'));
    signal.addEventListener('abort', abort, { once: true });
    this.#closing.signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) abort();
    if (this.#closing.signal.aborted) close();
    try {
      // A decode cannot be stopped: given up, it goes on and keeps its tickets till it ends.
      return await Promise.race([this.#inspect(path, ending.signal), rejected(ending.signal)]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      this.#closing.signal.removeEventListener('abort', close);
    }
  }

  prepare(): void {
    const isThere = this.#process?.ended === false;
    if (isThere || this.#jobs.taken > 0 || this.#closing.signal.aborted) return;
    this.#start();
    this.#restFor(this.#options.idleMs, () => this.#sleep());
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#sleep();
  }

  /** When the process dies, each of its jobs is tried again alone, which tells who killed it. */
  async #inspect(path: string, signal: AbortSignal): Promise<Inspection> {
    try {
      return await this.#attempt(path, 1, signal);
    } catch (error) {
      if (!(error instanceof DecoderDiedError)) throw error;
    }
    try {
      return await this.#attempt(path, this.#options.jobs, signal);
    } catch (error) {
      if (!(error instanceof DecoderDiedError)) throw error;
      throw deathError(error, this.#options);
    }
  }

  async #attempt(path: string, jobs: number, signal: AbortSignal): Promise<Inspection> {
    using _turn = await this.#jobs.take(jobs, signal);
    const process = this.#wake();
    try {
      const { header, edits } = await process.ask('header', { path });
      const { format, width, height, frames } = header;
      using _pixels = await this.#pixels.take(width * height * frames, signal);
      const look = await process.ask('decode', { path, header });
      const media_type = MEDIA_TYPES[format];
      return { facts: { media_type, width, height, pages: frames, ...look }, edits };
    } finally {
      if (this.#jobs.taken === jobs) this.#rest();
    }
  }

  #wake(): DecoderProcess {
    if (this.#idle) clearTimeout(this.#idle);
    if (this.#restedAt !== null) this.#lastPauseMs = performance.now() - this.#restedAt;
    this.#restedAt = null;
    return this.#start();
  }

  #start(): DecoderProcess {
    if (!this.#process || this.#process.ended) this.#process = new DecoderProcess(this.#options);
    return this.#process;
  }

  #rest(): void {
    this.#restedAt = performance.now();
    this.#restFor(this.#options.idleMs, () => {
      const heldBytes = this.#process?.residentBytes ?? 0;
      const furtherMs = furtherIdleMs(this.#lastPauseMs, heldBytes, this.#options);
      if (furtherMs > 0) this.#restFor(furtherMs, () => this.#sleep());
      else this.#sleep();
    });
  }

  #restFor(ms: number, then: () => void): void {
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = setTimeout(then, ms).unref();
  }

  #sleep(): void {
    if (this.#idle) clearTimeout(this.#idle);
    this.#process?.kill();
    this.#process = null;
  }
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** How long a process that has been without work for `idleMs` stays on. */
export function furtherIdleMs(
  lastPauseMs: number,
  heldBytes: number,
  { idleMs, warmMaxMs, warmMaxBytes }: DecoderPoolOptions,
): number {
  if (heldBytes > warmMaxBytes) return 0;
  return Math.max(0, Math.min(2 * lastPauseMs, warmMaxMs) - idleMs);
}

/** What the death of a decoder that read one image alone says about the image, or about the host. */
function deathError(cause: DecoderDiedError, { memoryMaxBytes }: DecoderLimits): ServiceError {
  switch (cause.death) {
    case 'memory': {
      const mebibytes = Math.floor(memoryMaxBytes / 1024 ** 2);
      const message = `The image needs more than ${mebibytes} MiB of memory to decode.`;
      return new ServiceError('image_too_large', message, { cause });
    }
    case 'crash': {
      const message = 'The image crashes the decoder. Re-export it and try again.';
      return new ServiceError('image_unreadable', message, { cause });
    }
    case 'start': {
      const message = 'The image decoder cannot be started. Try again later.';
      return new ServiceError('storage_unavailable', message, { cause });
    }
    case 'stalled': {
      const message =
        'The server had too little processor time to decode the image. Try again later.';
      return new ServiceError('overloaded', message, { cause });
    }
    case 'killed': {
      const message =
        'The server interrupted the decoding of the image, perhaps for lack of memory. Try again later.';
      return new ServiceError('overloaded', message, { cause });
    }
    case 'ended':
      return new ServiceError('overloaded', 'The decoder was replaced. Try again soon.', { cause });
  }
}

function tooLate(message: string): ServiceError {
  return new ServiceError('deadline_exceeded', message);
}

function asServiceError(reason: unknown): ServiceError {
  if (reason instanceof ServiceError) return reason;
  const message = 'The request was given up.';
  return new ServiceError('deadline_exceeded', message, { cause: reason });
}
