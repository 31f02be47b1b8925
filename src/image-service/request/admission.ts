import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';

/** More keep nobody busier: two threads read the catalog, and over the hub three are on their way. */
const ANSWERS_MAX = 16;
/** While the process itself is late, whatever the storage could do. */
const ANSWERS_MAX_LATE = 8;
/** Of the event loop, on average of a look: half of what a list is promised in. */
const LATE_MS = 25;
const LOOK_EVERY_MS = 250;
const LOOP_RESOLUTION_MS = 10;

/** A burst may wait so long for its turn … */
const BURST_WAIT_MS = 500;
/** … but when all places have been taken all this time, more comes than can be done, … */
const STANDING_AFTER_MS = 200;
/** … and then waiting makes all slow and none served: who is not served soon is told to come again. */
const STANDING_WAIT_MS = 10;

type Next = (error?: Error) => void;
type Waiting = { next: Next; timer: NodeJS.Timeout };

/**
 * Lets a bounded number of requests about images and themes be answered at the same time, in order.
 * How long the others may wait follows "Fail at Scale" (ACM Queue, 2015): long in a burst, hardly at
 * all in a standing queue. Uploads have a gate of their own; deliveries cost little.
 */
export class Admission {
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #look: NodeJS.Timeout;
  readonly #inside = new Set<FastifyRequest>();
  /** In order of arrival. */
  readonly #waiting = new Map<FastifyRequest, Waiting>();
  #late = false;
  /** Since when there has been no free place; what was refused meanwhile freed none. */
  #fullSince = Number.POSITIVE_INFINITY;

  constructor() {
    this.#loop.enable();
    this.#look = setInterval(() => this.#lookAtLoop(), LOOK_EVERY_MS).unref();
  }

  get load(): { inside: number; waiting: number } {
    return { inside: this.#inside.size, waiting: this.#waiting.size };
  }

  /**
   * Hooks of a route. A request that finds no room in time gets overloaded. It is inside from when its
   * body has come to when its answer is made: who sends or reads slowly takes no one's place.
   */
  readonly hooks = {
    preHandler: (request: FastifyRequest, reply: FastifyReply, next: Next) => {
      if (reply.raw.destroyed) return next();
      // Not onResponse: Fastify does not call that for a client that left.
      reply.raw.once('close', () => this.#leave(request));
      if (this.#waiting.size === 0 && this.#inside.size < this.#max) this.#enter(request, next);
      else this.#wait(request, next);
    },
    onSend: (
      request: FastifyRequest,
      _reply: FastifyReply,
      payload: unknown,
      done: (error: Error | null, payload: unknown) => void,
    ) => {
      this.#leave(request);
      done(null, payload);
    },
  };

  close(): void {
    clearInterval(this.#look);
    this.#loop.disable();
  }

  get #max(): number {
    return this.#late ? ANSWERS_MAX_LATE : ANSWERS_MAX;
  }

  #enter(request: FastifyRequest, next: Next): void {
    this.#inside.add(request);
    next();
  }

  /** Answered, or gone before, whether or not it had its turn. */
  #leave(request: FastifyRequest): void {
    clearTimeout(this.#waiting.get(request)?.timer);
    this.#waiting.delete(request);
    if (this.#inside.delete(request)) this.#admit();
  }

  #wait(request: FastifyRequest, next: Next): void {
    const now = performance.now();
    this.#fullSince = Math.min(this.#fullSince, now);
    const standing = now - this.#fullSince > STANDING_AFTER_MS;
    const refuse = () => {
      this.#waiting.delete(request);
      next(new ServiceError('overloaded', 'Too many requests wait. Try again soon.'));
    };
    const timer = setTimeout(refuse, standing ? STANDING_WAIT_MS : BURST_WAIT_MS);
    this.#waiting.set(request, { next, timer });
  }

  #admit(): void {
    for (const [request, { next, timer }] of this.#waiting) {
      if (this.#inside.size >= this.#max) return;
      this.#waiting.delete(request);
      clearTimeout(timer);
      this.#enter(request, next);
    }
    if (this.#inside.size < this.#max) this.#fullSince = Number.POSITIVE_INFINITY;
  }

  #lookAtLoop(): void {
    this.#late = this.#loop.mean / 1e6 - LOOP_RESOLUTION_MS > LATE_MS;
    this.#loop.reset();
    this.#admit();
  }
}
