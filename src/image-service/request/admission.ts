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

/** For its turn; then it is refused. A client that asks again at once is so kept from keeping us busy. */
const WAIT_MAX_MS = 500;
/** When the oldest has waited so long, more comes than can be done. */
const STANDING_AFTER_MS = 100;
/** More connections than a client's pool has; beyond, a request is refused at once. */
const WAITING_MAX = 1_000;

type Next = (error?: Error) => void;
type Waiting = { next: Next; timer: NodeJS.Timeout; since: number };

/**
 * Lets a bounded number of requests about images and themes be answered at the same time. In a burst
 * the others wait in order; in a standing queue the newest is next, since its client still waits and
 * has hardly done so, by "Fail at Scale" (ACM Queue, 2015). Uploads have a gate of their own;
 * deliveries cost little.
 */
export class Admission {
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #look: NodeJS.Timeout;
  readonly #inside = new Set<FastifyRequest>();
  /** In order of arrival. */
  readonly #waiting = new Map<FastifyRequest, Waiting>();
  #late = false;

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
    const refuse = () => {
      this.#waiting.delete(request);
      next(new ServiceError('overloaded', 'Too many requests wait. Try again soon.'));
    };
    if (this.#waiting.size >= WAITING_MAX) {
      refuse();
      return;
    }
    const timer = setTimeout(refuse, WAIT_MAX_MS);
    this.#waiting.set(request, { next, timer, since: performance.now() });
  }

  #admit(): void {
    while (this.#inside.size < this.#max) {
      const request = this.#following();
      if (!request) return;
      const { next, timer } = this.#waiting.get(request)!;
      this.#waiting.delete(request);
      clearTimeout(timer);
      this.#enter(request, next);
    }
  }

  #following(): FastifyRequest | undefined {
    const [oldest] = this.#waiting;
    if (!oldest) return undefined;
    const standing = performance.now() - oldest[1].since > STANDING_AFTER_MS;
    return standing ? [...this.#waiting.keys()].at(-1) : oldest[0];
  }

  #lookAtLoop(): void {
    this.#late = this.#loop.mean / 1e6 - LOOP_RESOLUTION_MS > LATE_MS;
    this.#loop.reset();
    this.#admit();
  }
}
