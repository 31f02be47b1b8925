import { randomUUID } from 'node:crypto';
import { Compile, type Validator } from 'typebox/compile';
import { ServiceError } from '../contract/errors.ts';
import { toJson } from '../contract/json.ts';
import {
  CALLS_IN_FLIGHT_MAX,
  CALLS_IN_FLIGHT_MAX_BYTES,
  HUB_AWAY_MAX_MS,
} from '../contract/limits.ts';
import {
  OPERATIONS,
  type OperationName,
  REQUEST,
  RESPONSE,
  Response,
} from '../contract/messages.ts';
import type { Call } from '../contract/storage.ts';
import { type Hub, HubLostError, type Message, type Received, type Reception } from '../hub/hub.ts';
import { traceparent } from '../telemetry/trace.ts';
import { bodyOf } from './body.ts';
import type { Count } from './count.ts';

/** A success that a response carries. */
export type Answer = { data: unknown; replayed: boolean; created: boolean };

/** Told of each answer: how many seconds after its request was sent. */
export type Replied = (operation: OperationName, seconds: number) => void;

type Waiter = {
  operation: OperationName;
  operationId: string;
  message: Message;
  /** It may have been carried out. */
  sent: boolean;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
};

const response = Compile(Response);
const answers = new Map<string, Validator>();

/**
 * Requests, and the answers to them. A waiter is registered before its request is sent; every wait
 * ends with its answer, by its deadline or by its signal. When the hub was away, replies may be
 * lost: whatever still waits is asked again, which is harmless, as every request may be repeated.
 */
export class Requester {
  readonly #hub: Hub;
  readonly #sourceId: string;
  readonly #count: Count;
  readonly #replied: Replied;
  readonly #replies: Reception;
  readonly #endReconnects: () => void;
  readonly #waiters = new Map<string, Waiter>();
  #waitingBytes = 0;

  constructor(hub: Hub, sourceId: string, count: Count, replied: Replied = () => {}) {
    this.#hub = hub;
    this.#sourceId = sourceId;
    this.#count = count;
    this.#replied = replied;
    this.#replies = hub.receiveReplies((message) => this.#take(message));
    this.#endReconnects = hub.onReconnect(() => {
      for (const waiter of this.#waiters.values()) this.#send(waiter, 'repeated');
    });
  }

  /** Requests that wait for their answers, for metrics. */
  get inFlight(): { calls: number; bytes: number } {
    return { calls: this.#waiters.size, bytes: this.#waitingBytes };
  }

  /**
   * Throws what the storage answers, storage_unavailable when the hub is away, overloaded when too
   * much waits, outcome_unknown when a write was sent and not answered in time, else
   * deadline_exceeded.
   */
  async ask(
    operation: OperationName,
    operationId: string,
    data: unknown,
    call: Call,
  ): Promise<Answer> {
    await this.#requireHub(call.signal);
    const now = Date.now();
    const left = call.deadline - now;
    if (left <= 0) throw late(operation, false);
    const message: Message = {
      type: REQUEST,
      message_id: randomUUID(),
      correlation_id: operationId,
      reply_to: this.#hub.replyQueue,
      request_id: call.requestId,
      timestamp: now,
      expires_in_ms: left,
      ...withTrace(),
      body: bodyOf(
        { type: REQUEST, sourceId: this.#sourceId, correlationId: operationId, now, ttlMs: left },
        toJson({ operation, operation_id: operationId, data }),
      ),
    };
    return this.#wait(operation, operationId, message, call);
  }

  async close(): Promise<void> {
    this.#endReconnects();
    for (const waiter of this.#waiters.values()) waiter.reject(late(waiter.operation, waiter.sent));
    await this.#replies.close();
  }

  async #requireHub(signal: AbortSignal): Promise<void> {
    if (this.#hub.connected) return;
    const away = new ServiceError(
      'storage_unavailable',
      'The message hub is away; try again shortly.',
    );
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(away), HUB_AWAY_MAX_MS);
    try {
      await this.#hub.connect(AbortSignal.any([signal, ending.signal]));
    } finally {
      clearTimeout(timer);
    }
  }

  async #wait(
    operation: OperationName,
    operationId: string,
    message: Message,
    { deadline, signal }: Call,
  ): Promise<Answer> {
    signal.throwIfAborted();
    const bytes = message.body.length;
    const full = this.#waiters.size >= CALLS_IN_FLIGHT_MAX;
    if (full || this.#waitingBytes + bytes > CALLS_IN_FLIGHT_MAX_BYTES) {
      const text = 'Too many requests wait for the storage; try again shortly.';
      throw new ServiceError('overloaded', text);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const waiter = { operation, operationId, message, sent: false, resolve, reject };
    const timer = setTimeout(() => reject(late(operation, waiter.sent)), deadline - Date.now());
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    this.#waiters.set(message.message_id, waiter);
    this.#waitingBytes += bytes;
    try {
      this.#send(waiter, 'sent');
      return await promise;
    } finally {
      this.#waiters.delete(message.message_id);
      this.#waitingBytes -= bytes;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** One that the hub could not take while it went away is sent again when it is back. */
  #send(waiter: Waiter, how: 'sent' | 'repeated'): void {
    this.#count(how, REQUEST);
    const before = waiter.sent;
    // Also without its confirmation it may have arrived and been carried out.
    waiter.sent = true;
    this.#hub.sendRequest(waiter.message).catch((error) => {
      if (error instanceof HubLostError) {
        if (this.#hub.connected && this.#waiters.has(waiter.message.message_id)) {
          this.#send(waiter, 'repeated');
        }
        return;
      }
      waiter.sent = before;
      waiter.reject(error);
    });
  }

  #take(received: Received): void {
    this.#count(this.#answered(received), RESPONSE);
  }

  #answered(received: Received): 'received' | 'late' | 'malformed' {
    const data = (received.body as { data?: unknown } | null | undefined)?.data;
    if (!response.Check(data)) return 'malformed';
    const waiter = this.#waiterOf(received, data.operation_id);
    if (!waiter) return 'late';
    this.#replied(waiter.operation, (Date.now() - waiter.message.timestamp) / 1000);
    if (data.status === 'error') {
      const { code, message, details } = data;
      waiter.reject(ServiceError.fromData({ code, message, ...details }));
      return 'received';
    }
    if (!answerOf(waiter.operation).Check(data.data)) return 'malformed';
    const { replayed = false, created = false } = data;
    waiter.resolve({ data: data.data, replayed, created });
    return 'received';
  }

  /** By the request that it answers; an answer that names none is taken by its operation. */
  #waiterOf(received: Received, operationId: string | null): Waiter | undefined {
    if (received.in_reply_to !== undefined) {
      const waiter = this.#waiters.get(received.in_reply_to);
      return waiter?.operationId === operationId ? waiter : undefined;
    }
    return this.#waiters.values().find((waiter) => waiter.operationId === operationId);
  }
}

function withTrace(): { traceparent?: string } {
  const parent = traceparent();
  return parent === undefined ? {} : { traceparent: parent };
}

function answerOf(operation: OperationName): Validator {
  let validator = answers.get(operation);
  if (!validator) {
    validator = Compile(OPERATIONS[operation].answer);
    answers.set(operation, validator);
  }
  return validator;
}

function late(operation: OperationName, sent: boolean): ServiceError {
  if (sent && OPERATIONS[operation].writes) {
    const message =
      'The storage did not answer in time, and may still have made the change. Repeat it with the same Idempotency-Key to learn its outcome.';
    return new ServiceError('outcome_unknown', message);
  }
  return new ServiceError('deadline_exceeded', 'The storage did not answer in time. Try again.');
}
