import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { WaitingLine } from './waiting-line.ts';

/** More keep nobody busier, and a list takes the longer. */
export const ANSWERS_MAX = 12;
/** While the process itself is late, whatever the storage could do. */
const ANSWERS_MAX_LATE = 8;
/** Of the event loop, on average of a look: half of what a list is promised in. */
const LATE_MS = 25;
const LOOK_EVERY_MS = 250;
const LOOP_RESOLUTION_MS = 10;

/** For its turn; then it is refused. A client that asks again at once is so kept from keeping us busy. */
const WAIT_MAX_MS = 500;
/** More connections than a client's pool has; beyond, a request is refused at once. */
const WAITING_MAX = 1_000;

type Next = (error?: Error) => void;
type Turn = { request: FastifyRequest; next: Next; timer?: NodeJS.Timeout };

/**
 * Lets a bounded number of requests about images and themes be answered at the same time; the others
 * wait in line. Uploads have a gate of their own; deliveries cost little.
 */
export class Admission {
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #look: NodeJS.Timeout;
  readonly #inside = new Set<FastifyRequest>();
  readonly #waiting = new WaitingLine<Turn>();
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
      const turn: Turn = { request, next };
      // Not onResponse: Fastify does not call that for a client that left.
      reply.raw.once('close', () => {
        this.#stopWaiting(turn);
        this.#leave(request);
      });
      this.#wait(turn);
      this.#admit();
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

  #wait(turn: Turn): void {
    const refuse = () => {
      this.#stopWaiting(turn);
      turn.next(new ServiceError('overloaded', 'Too many requests wait. Try again soon.'));
    };
    if (this.#waiting.size >= WAITING_MAX) {
      refuse();
      return;
    }
    turn.timer = setTimeout(refuse, WAIT_MAX_MS);
    this.#waiting.add(turn, performance.now());
  }

  #stopWaiting(turn: Turn): void {
    clearTimeout(turn.timer);
    this.#waiting.delete(turn);
  }

  #leave(request: FastifyRequest): void {
    if (this.#inside.delete(request)) this.#admit();
  }

  #admit(): void {
    const max = this.#late ? ANSWERS_MAX_LATE : ANSWERS_MAX;
    while (this.#inside.size < max) {
      const turn = this.#waiting.next(performance.now(), this.#inside.size === 0);
      if (!turn) return;
      clearTimeout(turn.timer);
      this.#inside.add(turn.request);
      turn.next();
    }
  }

  #lookAtLoop(): void {
    this.#late = this.#loop.mean / 1e6 - LOOP_RESOLUTION_MS > LATE_MS;
    this.#loop.reset();
    this.#admit();
  }
}
