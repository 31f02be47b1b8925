import { randomUUID } from 'node:crypto';
import { check } from '../contract/check.ts';
import { type ErrorData, invalid, ServiceError, toServiceError } from '../contract/errors.ts';
import { exists } from '../contract/fields.ts';
import { type Json, toJson } from '../contract/json.ts';
import { CLOCKS_DIFFER_MAX_MS } from '../contract/limits.ts';
import {
  type Body,
  isOperationId,
  type Metadata,
  REQUEST,
  REQUEST_QUEUE,
  RESPONSE,
  Request,
  RequestMetadata,
  type Response,
} from '../contract/messages.ts';
import type { Storage } from '../contract/storage.ts';
import type { Hub, Message, Received, Reception, Settlement } from '../hub/hub.ts';
import { traced } from '../telemetry/trace.ts';
import { bodyOf } from './body.ts';
import type { Count } from './count.ts';
import { carryOut, type Success } from './operations.ts';
import { sending } from './sending.ts';

/** An answer that nobody can have any more is not worth the wait for the hub. */
const ANSWER_MIN_MS = 1_000;
/** An answer that the hub refuses or drops the connection for, again and again, must not hold up all others. */
const SENDS_MAX = 5;
const ANSWER_MAX_MS = 30_000;
/** How long a response means anything to whoever listens to all of them. */
const RESPONSE_TTL_MS = 60_000;
/** Timers count whole milliseconds, and not many: a deadline later than this is this one. */
const DEADLINE_MAX_MS = 24 * 60 * 60 * 1000;

type Log = {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
};

type Parts = { hub: Hub; storage: Storage; sourceId: string; log: Log; count: Count };

type Answer = {
  /** Null when the request does not say, or not rightly. */
  operationId: string | null;
  response: Json<Response>;
  /** Milliseconds since the epoch. */
  deadline: number;
};

/**
 * Answers requests with what a Storage does. In this order: the change is durable, the answer
 * confirmed, the request acknowledged; a death in between has the request delivered again, and the
 * Storage gives the answer that it kept.
 */
export class Responder {
  readonly #parts: Parts;
  readonly #stop = new AbortController();
  readonly #requests: Reception;

  /** `refused`: another service takes the requests; this one never will. */
  constructor(parts: Parts, refused: (error: Error) => void) {
    this.#parts = parts;
    this.#requests = parts.hub.receiveRequests((message) => this.#settle(message), refused);
  }

  /** Answers what was received. */
  async close(): Promise<void> {
    await this.#requests.close();
    this.#stop.abort(new Error('The service is stopped.'));
  }

  async #settle(message: Received): Promise<Settlement> {
    const { count, log } = this.#parts;
    const { reply_to } = message;
    count('received', REQUEST);
    if (reply_to?.split('.', 1)[0] === REQUEST_QUEUE) {
      count('dead', REQUEST);
      log.warn({ reply_to }, 'A request wanted its answer in a queue of this service');
      return 'dead';
    }
    const answer = await this.#answer(message);
    if (answer.operationId === null && reply_to === undefined) {
      count('dead', REQUEST);
      return 'dead';
    }
    try {
      await this.#respond(message, answer);
      return 'done';
    } catch (error) {
      count('dead', REQUEST);
      log.warn({ ...logged(message, performance.now()), err: error }, 'An answer was not taken');
      return 'dead';
    }
  }

  async #answer(message: Received): Promise<Answer> {
    const { count, log, storage } = this.#parts;
    const started = performance.now();
    const operationId = idIn(message);
    let deadline = Date.now() + ANSWER_MIN_MS;
    try {
      const { metadata, data } = this.#read(message);
      // The operation may begin, and begin to commit, until then.
      deadline = deadlineOf(metadata);
      requireTime(deadline);
      const call = {
        requestId: message.request_id ?? randomUUID(),
        deadline,
        signal: AbortSignal.any([
          AbortSignal.timeout(Math.max(0, deadline - Date.now())),
          this.#stop.signal,
        ]),
        operationId: data.operation_id.toLowerCase(),
      };
      const span = { kind: 'consumer', parent: message.traceparent } as const;
      const success = await traced(`${REQUEST} ${data.operation}`, span, () =>
        carryOut(storage, data.operation, data.data, call),
      );
      const facts = { operation: data.operation, ...logged(message, started), outcome: 'success' };
      log.info(facts, 'storage operation');
      const { operation_id } = data;
      return { operationId: operation_id, response: successOf(operation_id, success), deadline };
    } catch (thrown) {
      const error = toServiceError(thrown);
      const facts = { ...logged(message, started), outcome: error.code };
      if (error.code === 'internal')
        log.error({ ...facts, err: error }, 'storage operation failed');
      else
        log.info(
          { ...facts, ...(error.cause !== undefined && { err: error }) },
          'storage operation',
        );
      if (error.code === 'deadline_exceeded') count('expired', REQUEST);
      return { operationId, response: refusal(operationId, error.toData()), deadline };
    }
  }

  /** Throws invalid_request. What an operation refuses is the fault of a user, and not malformed. */
  #read({ body }: Received): Body<Request> {
    try {
      return parsed(body);
    } catch (error) {
      this.#parts.count('malformed', REQUEST);
      throw error;
    }
  }

  /** Until the hub has it, or nobody awaits it any more: who repeats the request gets it then. */
  async #respond(message: Received, answer: Answer): Promise<void> {
    const { hub, count, sourceId } = this.#parts;
    const { operationId, response, deadline } = answer;
    const now = Date.now();
    const correlationId = message.correlation_id ?? operationId ?? randomUUID();
    const sent: Message = {
      type: RESPONSE,
      message_id: randomUUID(),
      correlation_id: correlationId,
      timestamp: now,
      body: bodyOf(
        { type: RESPONSE, sourceId, correlationId, now, ttlMs: RESPONSE_TTL_MS },
        response,
      ),
      ...(message.message_id !== undefined && { in_reply_to: message.message_id }),
      ...(message.request_id !== undefined && { request_id: message.request_id }),
      ...(message.traceparent !== undefined && { traceparent: message.traceparent }),
    };
    const left = Math.min(ANSWER_MAX_MS, Math.max(ANSWER_MIN_MS, deadline - now));
    const until = AbortSignal.timeout(left);
    const signal = AbortSignal.any([until, this.#stop.signal]);
    const send = () => hub.sendResponse(sent, message.reply_to);
    await sending(hub, signal, send, SENDS_MAX);
    count('sent', RESPONSE);
  }
}

function parsed(body: unknown): Body<Request> {
  if (typeof body !== 'object' || body === null) {
    const message = 'The message must be JSON: { "metadata": { … }, "data": { … } }.';
    throw new ServiceError('invalid_request', message);
  }
  const { metadata, data } = body as Partial<Body>;
  if (typeof data !== 'object' || data === null) {
    throw invalid([{ field: 'data', message: 'must be a JSON object: the request' }]);
  }
  const request = check(Request, data) as unknown as Request;
  const sent = check(RequestMetadata, knownOf(metadata), 'metadata');
  if (!exists(sent.timestamp)) {
    throw invalid([{ field: 'metadata.timestamp', message: 'must be a time that exists' }]);
  }
  return { metadata: sent, data: request };
}

/** Others may say more of their messages than we read. */
function knownOf(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null) return metadata;
  const known = Object.entries(metadata).filter(([name]) => name in RequestMetadata.properties);
  return Object.fromEntries(known);
}

function deadlineOf({ timestamp, ttl }: Metadata): number {
  const deadline = Date.parse(timestamp) + ttl * 1000 + CLOCKS_DIFFER_MAX_MS;
  return Math.min(Math.ceil(deadline), Date.now() + DEADLINE_MAX_MS);
}

function requireTime(deadline: number): void {
  if (Date.now() < deadline) return;
  const message = 'The request came after its deadline (timestamp + ttl) and was not carried out.';
  throw new ServiceError('deadline_exceeded', message);
}

/** What a message that is wrong elsewhere says of its operation. */
function idIn({ body, correlation_id }: Received): string | null {
  const data = (body as Partial<Body<Partial<Request>>> | null | undefined)?.data;
  const id = data?.operation_id;
  return typeof id === 'string' && isOperationId(id) ? id : (correlation_id ?? null);
}

/** The data is text, so the text of the rest is put around it. */
function successOf(operation_id: string, { data, ...flags }: Success): Json<Response> {
  const rest = toJson({ operation_id, status: 'success', ...flags });
  return `${rest.slice(0, -1)},"data":${data}}` as Json<Response>;
}

function refusal(
  operation_id: string | null,
  { code, message, ...details }: ErrorData,
): Json<Response> {
  return toJson<Response>({ operation_id, status: 'error', code, message, details });
}

function logged(message: Received, started: number) {
  return {
    request_id: message.request_id,
    operation_id: idIn(message),
    duration_ms: Math.round((performance.now() - started) * 100) / 100,
  };
}
