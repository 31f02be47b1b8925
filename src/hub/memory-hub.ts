import { randomUUID } from 'node:crypto';
import { ServiceError } from '../contract/errors.ts';
import { PREFETCH_MAX_REQUESTS } from '../contract/limits.ts';
import {
  type Hub,
  HubLostError,
  type Message,
  type Received,
  type Reception,
  type Settlement,
} from './hub.ts';

/**
 * A broker in memory, for tests and the simulation: the same promises as RabbitMQ makes, and no
 * more. `carry` decides when a step of a message happens, and whether it happens at all.
 */
export type Carry = (step: Step, run: () => void) => void;
export type Step = 'send' | 'confirm' | 'deliver' | 'settle' | 'reply' | 'event';

const atOnce: Carry = (_step, run) => queueMicrotask(run);

type Receiver = {
  take(message: Received): Promise<Settlement>;
  refused(error: Error): void;
  unsettled: Set<Received>;
  closed: boolean;
};

export class MemoryBroker {
  readonly carry: Carry;
  /** Requests that wait; they survive every hub. */
  readonly requests: Received[] = [];
  readonly dead: Received[] = [];
  /** Whether a receiver has ever declared the request queue. */
  declared = false;
  readonly replies = new Map<string, (message: Received) => void>();
  /** Answers that named no queue. */
  readonly responses: Received[] = [];
  readonly events = new Set<(message: Received) => void>();
  #receiver: Receiver | undefined;

  constructor(carry: Carry = atOnce) {
    this.carry = carry;
  }

  hub(appId: string): MemoryHub {
    return new MemoryHub(this, appId);
  }

  receive(receiver: Receiver): void {
    if (this.#receiver && !this.#receiver.closed) {
      receiver.closed = true;
      receiver.refused(new Error('Another storage service takes the requests of this hub.'));
      return;
    }
    this.declared = true;
    this.#receiver = receiver;
    this.deliver();
  }

  /** What was not settled comes again, first. */
  release(receiver: Receiver): void {
    receiver.closed = true;
    this.requests.unshift(...receiver.unsettled);
    receiver.unsettled.clear();
  }

  deliver(): void {
    const receiver = this.#receiver;
    while (receiver && !receiver.closed && receiver.unsettled.size < PREFETCH_MAX_REQUESTS) {
      const message = this.requests.shift();
      if (!message) return;
      receiver.unsettled.add(message);
      this.carry('deliver', () => {
        if (!receiver.closed) this.#hand(receiver, message);
      });
    }
  }

  #hand(receiver: Receiver, message: Received): void {
    const taken = receiver.take({ ...message }).catch((): Settlement => 'dead');
    taken.then((settlement) =>
      this.carry('settle', () => {
        if (!receiver.unsettled.delete(message)) return;
        if (settlement === 'dead') this.dead.push(message);
        this.deliver();
      }),
    );
  }
}

export class MemoryHub implements Hub {
  readonly replyQueue: string;
  readonly #broker: MemoryBroker;
  readonly #receptions = new Set<Reception>();
  readonly #listeners = new Set<() => void>();
  /** One at a time: what was taken while the hub was lost is not heard of. */
  #life = { lost: false };

  constructor(broker: MemoryBroker, appId: string) {
    this.#broker = broker;
    this.replyQueue = `${appId}.replies.${randomUUID()}`;
  }

  get connected(): boolean {
    return !this.#life.lost;
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async connect(signal: AbortSignal): Promise<void> {
    const there = Promise.withResolvers<void>();
    const end = this.onReconnect(() => there.resolve());
    const abort = () => there.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      if (!this.connected) await there.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      end();
    }
  }

  sendRequest(message: Message): Promise<void> {
    const { requests, declared } = this.#broker;
    if (!declared) {
      const text = 'The storage service has not joined the message hub yet; try again shortly.';
      return Promise.reject(new ServiceError('storage_unavailable', text));
    }
    return this.#send('send', () => {
      requests.push(receivedOf(message));
      this.#broker.deliver();
    });
  }

  sendResponse(message: Message, queue: string | undefined): Promise<void> {
    return this.#send('reply', () => {
      if (queue === undefined) this.#broker.responses.push(receivedOf(message));
      else this.#broker.replies.get(queue)?.(receivedOf(message));
    });
  }

  sendEvent(message: Message): Promise<void> {
    return this.#send('event', () => {
      for (const take of this.#broker.events) take(receivedOf(message));
    });
  }

  receiveReplies(take: (message: Received) => void): Reception {
    return this.#reception(
      () => this.#broker.replies.set(this.replyQueue, take),
      () => this.#broker.replies.delete(this.replyQueue),
    );
  }

  receiveRequests(
    take: (message: Received) => Promise<Settlement>,
    refused: (error: Error) => void,
  ): Reception {
    let receiver: Receiver | undefined;
    return this.#reception(
      () => {
        receiver = { take, refused, unsettled: new Set(), closed: false };
        this.#broker.receive(receiver);
      },
      () => {
        if (receiver) this.#broker.release(receiver);
      },
    );
  }

  receiveEvents(take: (message: Received) => void, missed: () => void): Reception {
    const listener = (message: Received) => take(message);
    return this.#reception(
      () => {
        this.#broker.events.add(listener);
        missed();
      },
      () => this.#broker.events.delete(listener),
    );
  }

  async ping(): Promise<void> {
    if (!this.connected) throw new HubLostError();
  }

  /** As if the connection broke: queues of its own are gone, nothing under way is heard of. */
  lose(): void {
    this.#life.lost = true;
    for (const reception of this.#receptions) (reception as Reopened).leave();
  }

  reconnect(): void {
    this.#life = { lost: false };
    for (const reception of this.#receptions) (reception as Reopened).enter();
    for (const listener of this.#listeners) listener();
  }

  async close(): Promise<void> {
    this.lose();
    this.#receptions.clear();
  }

  #send(step: Step, arrive: () => void): Promise<void> {
    const life = this.#life;
    if (life.lost) return Promise.reject(new HubLostError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#broker.carry(step, () => {
      arrive();
      this.#broker.carry('confirm', () => (life.lost ? reject(new HubLostError()) : resolve()));
    });
    return promise;
  }

  #reception(enter: () => void, leave: () => void): Reception {
    const reception: Reopened = {
      enter,
      leave,
      close: async () => {
        this.#receptions.delete(reception);
        leave();
      },
    };
    this.#receptions.add(reception);
    if (this.connected) enter();
    return reception;
  }
}

type Reopened = Reception & { enter(): void; leave(): void };

function receivedOf(message: Message): Received {
  const { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent } = message;
  const body: unknown = JSON.parse(message.body);
  return { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent, body };
}
