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

/** One step of a message on its way. */
export type Passage = {
  step: 'send' | 'confirm' | 'deliver' | 'settle' | 'reply' | 'event';
  /** Steps of one lane keep their order. */
  lane: string;
  message: Message | Received;
  /** Its connection is gone: the step may come to pass or not. */
  lost(): boolean;
  run(): void;
  /** Instead of `run`, of a confirmation: it comes too late for its sender. */
  miss?(): void;
};

/** Decides when a step comes to pass, and whether it does at all. */
export type Carry = (passage: Passage) => void;

const atOnce: Carry = ({ run }) => queueMicrotask(run);
/** What comes back so often kills its consumers, and ends. */
const DELIVERIES_MAX = 20;

type Request = { message: Received; expiresAt: number; deliveries: number };
type Connection = { lost: boolean };
type Consumer = (message: Received) => void;
type Receiver = {
  lane: string;
  connection: Connection;
  take(message: Received): Promise<Settlement>;
  refused(error: Error): void;
  unsettled: Set<Request>;
  running: Set<Promise<void>>;
  state: 'open' | 'closing' | 'closed';
  gone: PromiseWithResolvers<void>;
};

/** A broker in memory, for tests and the simulation: the promises of RabbitMQ, and no more. */
export class MemoryBroker {
  readonly carry: Carry;
  /** Requests that wait; like the dead ones they survive every hub. */
  readonly requests: Request[] = [];
  readonly dead: Received[] = [];
  /** By the queue that awaits them. */
  readonly replies = new Map<string, Consumer>();
  /** Answers that named no queue. */
  readonly responses: Received[] = [];
  readonly events = new Set<Consumer>();
  #receiver: Receiver | undefined;

  constructor(carry: Carry = atOnce) {
    this.carry = carry;
  }

  hub(appId: string): MemoryHub {
    return new MemoryHub(this, appId);
  }

  /** False when no queue takes it: the first receiver declares that. */
  takeRequest(message: Message): boolean {
    if (!this.#receiver) return false;
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
      this.carry({ ...passageOf(receiver, request), step: 'deliver', run });
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
      this.carry({ ...passageOf(receiver, request), step: 'settle', run });
    });
  }
}

function passageOf({ lane, connection }: Receiver, { message }: Request) {
  return { lane, message, lost: () => connection.lost };
}

type Reopened = Reception & { enter(): void; leave(): void };

/** A hub over a broker in memory. Like that of RabbitMQ, it sends and receives by one connection each. */
export class MemoryHub implements Hub {
  readonly replyQueue: string;
  readonly #name: string;
  readonly #broker: MemoryBroker;
  readonly #receptions = new Set<Reopened>();
  readonly #listeners = new Set<() => void>();
  /** Fail what was sent and is not confirmed. */
  readonly #unconfirmed = new Set<() => void>();
  /** One object for each time: what is under way by one that is lost stays lost. */
  #sending: Connection = { lost: false };
  #receiving: Connection = { lost: false };
  #closed = false;

  constructor(broker: MemoryBroker, appId: string) {
    this.#broker = broker;
    this.#name = appId;
    this.replyQueue = `${appId}.replies.${randomUUID()}`;
  }

  get connected(): boolean {
    return !this.#sending.lost && !this.#receiving.lost;
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
    return this.#send(message, () => {
      if (this.#broker.takeRequest(message)) return undefined;
      const text = 'The storage service has not joined the message hub yet; try again shortly.';
      return new ServiceError('storage_unavailable', text);
    });
  }

  sendResponse(message: Message, queue: string | undefined): Promise<void> {
    return this.#send(message, () => {
      if (queue === undefined) this.#broker.responses.push(receivedOf(message));
      else this.#broker.replies.get(queue)?.(receivedOf(message));
    });
  }

  sendEvent(message: Message): Promise<void> {
    return this.#send(message, () => {
      for (const take of this.#broker.events) take(receivedOf(message));
    });
  }

  receiveReplies(take: (message: Received) => void): Reception {
    const { replies } = this.#broker;
    return this.#reception(
      () => replies.set(this.replyQueue, this.#consumer('reply', take)),
      () => replies.delete(this.replyQueue),
    );
  }

  receiveRequests(
    take: (message: Received) => Promise<Settlement>,
    refused: (error: Error) => void,
  ): Reception {
    let receiver: Receiver | undefined;
    return this.#reception(
      () => {
        receiver = {
          lane: `${this.#name} requests`,
          connection: this.#receiving,
          take,
          refused,
          unsettled: new Set(),
          running: new Set(),
          state: 'open',
          gone: Promise.withResolvers(),
        };
        this.#broker.receive(receiver);
      },
      () => {
        if (receiver) this.#broker.release(receiver);
      },
      async () => {
        if (receiver?.state !== 'open') return;
        receiver.state = 'closing';
        await Promise.race([Promise.all(receiver.running), receiver.gone.promise]);
      },
    );
  }

  receiveEvents(take: (message: Received) => void, missed: () => void): Reception {
    let consumer: ((message: Received) => void) | undefined;
    return this.#reception(
      () => {
        consumer = this.#consumer('event', take);
        this.#broker.events.add(consumer);
        missed();
      },
      () => consumer && this.#broker.events.delete(consumer),
    );
  }

  async ping(): Promise<void> {
    if (!this.connected) throw new HubLostError();
  }

  /** As if the connection broke: its own queues are gone, nothing under way is heard of. */
  lose(what: 'both' | 'sending' | 'receiving' = 'both'): void {
    if (what !== 'receiving' && !this.#sending.lost) {
      this.#sending.lost = true;
      for (const fail of [...this.#unconfirmed]) fail();
    }
    if (what !== 'sending' && !this.#receiving.lost) {
      this.#receiving.lost = true;
      for (const reception of this.#receptions) reception.leave();
    }
  }

  reconnect(): void {
    if (this.#closed || this.connected) return;
    if (this.#sending.lost) this.#sending = { lost: false };
    if (this.#receiving.lost) {
      this.#receiving = { lost: false };
      for (const reception of this.#receptions) reception.enter();
    }
    for (const listener of this.#listeners) listener();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.lose();
    this.#receptions.clear();
  }

  /** `arrive` at the broker may be told that the message came back. */
  #send(message: Message, arrive: () => ServiceError | undefined | void): Promise<void> {
    const connection = this.#sending;
    if (connection.lost) return Promise.reject(new HubLostError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = () => settle(() => reject(new HubLostError()));
    const settle = (how: () => void) => {
      if (this.#unconfirmed.delete(fail)) how();
    };
    this.#unconfirmed.add(fail);
    const passage = { lane: this.#name, message, lost: () => connection.lost };
    const confirm = (returned: ServiceError | undefined | void) =>
      this.#broker.carry({
        ...passage,
        step: 'confirm',
        lane: `${this.#name} confirms`,
        run: () => settle(() => (returned ? reject(returned) : resolve())),
        miss: fail,
      });
    this.#broker.carry({ ...passage, step: 'send', run: () => confirm(arrive()) });
    return promise;
  }

  /** Of a queue that ends with the connection. */
  #consumer(step: 'reply' | 'event', take: (message: Received) => void) {
    const connection = this.#receiving;
    const lost = () => connection.lost;
    const lane = `${this.#name} ${step}`;
    return (message: Received) => {
      const run = () => {
        if (!lost()) take(message);
      };
      this.#broker.carry({ step, lane, message, lost, run });
    };
  }

  #reception(enter: () => void, leave: () => void, finish?: () => Promise<void>): Reception {
    const reception: Reopened = {
      enter,
      leave,
      close: async () => {
        await finish?.();
        this.#receptions.delete(reception);
        leave();
      },
    };
    this.#receptions.add(reception);
    if (!this.#receiving.lost) enter();
    return reception;
  }
}

function receivedOf(message: Message): Received {
  const { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent } = message;
  const body: unknown = JSON.parse(message.body);
  return { message_id, correlation_id, reply_to, in_reply_to, request_id, traceparent, body };
}
