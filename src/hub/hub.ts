import type { EventType } from '../contract/messages.ts';

/** A message as it is sent. The body is JSON in UTF-8. */
export type Message = {
  type: EventType;
  message_id: string;
  correlation_id: string;
  /** The queue that awaits the answer; of requests. */
  reply_to?: string;
  /** Answers a request with this `message_id`. */
  in_reply_to?: string;
  request_id?: string;
  traceparent?: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** Milliseconds until the broker drops it; of requests. */
  expires_in_ms?: number;
  body: string;
};

/** A message as it is received: nothing of it is known to be right. */
export type Received = {
  message_id: string | undefined;
  correlation_id: string | undefined;
  reply_to: string | undefined;
  in_reply_to: string | undefined;
  request_id: string | undefined;
  traceparent: string | undefined;
  /** Undefined when it is no JSON. */
  body: unknown;
};

/** What becomes of a request. One that is never settled comes again. */
export type Settlement = 'done' | 'dead';

/** Ends a reception; what was received before is finished first. */
export type Reception = { close(): Promise<void> };

/** The connection was not there, or was lost meanwhile: the message may have been taken, or not. */
export class HubLostError extends Error {
  override readonly name = 'HubLostError';

  constructor(cause?: unknown) {
    super('The message hub is away.', { cause });
  }
}

/** An answer or event for certain not taken: a queue that it goes to is full, or cannot be used. */
export class HubRefusedError extends Error {
  override readonly name = 'HubRefusedError';

  constructor(type: EventType, routingKey: string, cause?: unknown) {
    const where = type === routingKey ? 'a queue bound to it' : `the queue ${routingKey}`;
    super(`The message hub refused ${type}: ${where} is full or cannot be used.`, { cause });
  }
}

/**
 * How messages travel. Sending resolves when the hub has taken the message durably, and may be
 * repeated. It throws HubLostError; an answer or event also HubRefusedError; a request also, for
 * certain not taken, `ServiceError` storage_unavailable when no queue takes it, and overloaded when
 * too many wait.
 */
export interface Hub {
  /** Whether messages can be sent and received now. */
  readonly connected: boolean;

  /** Calls back each time the connection is there again after it was lost. Returns how to end that. */
  onReconnect(listener: () => void): () => void;

  /** Until it is connected, or the signal's reason. */
  connect(signal: AbortSignal): Promise<void>;

  sendRequest(message: Message): Promise<void>;

  /** To that queue, or to whoever listens to answers. A queue that is gone drops it. */
  sendResponse(message: Message, queue: string | undefined): Promise<void>;

  sendEvent(message: Message): Promise<void>;

  /** Where this instance awaits answers. They are not repeated: who was away asks again. */
  readonly replyQueue: string;
  receiveReplies(take: (message: Received) => void): Reception;

  /**
   * Requests, PREFETCH_MAX_REQUESTS at the same time. Only one instance receives at a time:
   * `refused` tells an instance that another one has that place.
   */
  receiveRequests(
    take: (message: Received) => Promise<Settlement>,
    refused: (error: Error) => void,
  ): Reception;

  /** Events since now; `missed` is called when some may have been lost. */
  receiveEvents(take: (message: Received) => void, missed: () => void): Reception;

  /** One round trip. Throws, as a HealthError if it knows why, also when two seconds pass. */
  ping(): Promise<void>;

  close(): Promise<void>;
}
