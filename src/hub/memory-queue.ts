import { parseJson } from '../contract/json.ts';
import { PREFETCH_MAX_REQUESTS } from '../contract/limits.ts';
import type { Message, Received, Settlement } from './hub.ts';

export type Connection = { lost: boolean };

/** One step of a message on its way. */
export type Passage = {
  step: 'send' | 'confirm' | 'deliver' | 'settle' | 'reply' | 'event';
  /** Steps of one lane keep their order. */
  lane: string;
  message: Message | Received;
  /** Once that is lost, the step may come to pass or not. */
  connection: Connection;
  run(): void;
  /** Instead of `run`, of a confirmation: it comes too late for its sender. */
  miss?(): void;
};

/** Decides when a step comes to pass, and whether it does at all. */
export type Carry = (passage: Passage) => void;

/** What comes back so often kills its consumers, and ends. */
const DELIVERIES_MAX = 20;

type Request = { message: Received; expiresAt: number; deliveries: number };
export type Receiver = {
  lane: string;
  connection: Connection;
  take(message: Received): Promise<Settlement>;
  refused(error: Error): void;
  unsettled: Set<Request>;
  running: Set<Promise<void>>;
  state: 'open' | 'closing' | 'closed';
  gone: PromiseWithResolvers<void>;
};

/** Requests that wait for whoever takes them; like the dead ones they survive every hub. */
export class MemoryQueue {
  readonly requests: Request[] = [];
  readonly dead: Received[] = [];
  readonly #carry: Carry;
  #receiver: Receiver | undefined;

  constructor(carry: Carry) {
    this.#carry = carry;
  }

  /** By the first receiver; it stays. */
  get declared(): boolean {
    return this.#receiver !== undefined;
  }

  /** False when it is not declared. */
  take(message: Message): boolean {
    if (!this.declared) return false;
    const expiresAt = Date.now() + (message.expires_in_ms ?? Number.POSITIVE_INFINITY);
    this.requests.push({ message: receivedOf(message), expiresAt, deliveries: 0 });
    this.#deliver();
    return true;
  }

  receive(receiver: Receiver): void {
    if (this.#receiver && this.#receiver.state !== 'closed') {
      receiver.state = 'closed';
      receiver.refused(new Error('Another storage service takes the requests of this hub.'));
      return;
    }
    this.#receiver = receiver;
    this.#deliver();
  }

  /** What was not settled comes again, first. */
  release(receiver: Receiver): void {
    receiver.state = 'closed';
    receiver.gone.resolve();
    this.requests.unshift(...receiver.unsettled);
    receiver.unsettled.clear();
  }

  #deliver(): void {
    const receiver = this.#receiver;
    while (receiver?.state === 'open' && receiver.unsettled.size < PREFETCH_MAX_REQUESTS) {
      const request = this.requests.shift();
      if (!request) return;
      if (Date.now() >= request.expiresAt || request.deliveries >= DELIVERIES_MAX) {
        this.dead.push(request.message);
        continue;
      }
      request.deliveries += 1;
      receiver.unsettled.add(request);
      const run = () => {
        if (receiver.state === 'open') this.#hand(receiver, request);
      };
      this.#carry({ ...passageOf(receiver, request), step: 'deliver', run });
    }
  }

  #hand(receiver: Receiver, request: Request): void {
    const settled = Promise.withResolvers<void>();
    receiver.running.add(settled.promise);
    const settle = (settlement: Settlement) => {
      receiver.running.delete(settled.promise);
      settled.resolve();
      if (!receiver.unsettled.delete(request)) return;
      if (settlement === 'dead') this.dead.push(request.message);
      this.#deliver();
    };
    const taken = receiver.take({ ...request.message }).catch((): Settlement => 'dead');
    taken.then((settlement) => {
      const run = () => settle(settlement);
      this.#carry({ ...passageOf(receiver, request), step: 'settle', run });
    });
  }
}

function passageOf({ lane, connection }: Receiver, { message }: Request) {
  return { lane, message, connection };
}

export function receivedOf(message: Message): Received {
  const { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent } = message;
  const body = parseJson(message.body);
  return { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent, body };
}
