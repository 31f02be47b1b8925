import { randomUUID } from 'node:crypto';
import { ServiceError } from '../contract/errors.ts';
import {
  type Hub,
  HubLostError,
  type Message,
  type Received,
  type Reception,
  type Settlement,
} from './hub.ts';
import {
  type Carry,
  type Connection,
  MemoryQueue,
  type Receiver,
  receivedOf,
} from './memory-queue.ts';

type Consumer = (message: Received) => void;

const atOnce: Carry = ({ run }) => queueMicrotask(run);

/** A broker in memory, for tests and the simulation: the promises of RabbitMQ, and no more. */
export class MemoryBroker {
  readonly carry: Carry;
  readonly queue: MemoryQueue;
  /** By the queue that awaits them. */
  readonly replies = new Map<string, Consumer>();
  /** Answers that named no queue. */
  readonly responses: Received[] = [];
  readonly events = new Set<Consumer>();

  constructor(carry: Carry = atOnce) {
    this.carry = carry;
    this.queue = new MemoryQueue(carry);
  }

  hub(appId: string): MemoryHub {
    return new MemoryHub(this, appId);
  }
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
      if (this.#broker.queue.take(message)) return undefined;
      const text = 'The storage service has not joined the message hub yet; try again shortly.';
      return new ServiceError('storage_unavailable', text);
    });
  }

  sendResponse(message: Message, queue: string | undefined): Promise<void> {
    return this.#send(message, () => {
      if (queue === undefined) this.#broker.responses.push(receivedOf(message));
      else this.#broker.replies.get(queue)?.(receivedOf(message));
      return undefined;
    });
  }

  sendEvent(message: Message): Promise<void> {
    return this.#send(message, () => {
      for (const take of this.#broker.events) take(receivedOf(message));
      return undefined;
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
        this.#broker.queue.receive(receiver);
      },
      () => {
        if (receiver) this.#broker.queue.release(receiver);
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
  #send(message: Message, arrive: () => ServiceError | undefined): Promise<void> {
    const connection = this.#sending;
    if (connection.lost) return Promise.reject(new HubLostError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = () => settle(() => reject(new HubLostError()));
    const settle = (how: () => void) => {
      if (this.#unconfirmed.delete(fail)) how();
    };
    this.#unconfirmed.add(fail);
    const passage = { lane: this.#name, message, connection };
    const confirm = (returned: ServiceError | undefined) =>
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
    const lane = `${this.#name} ${step}`;
    return (message: Received) => {
      const run = () => {
        if (!connection.lost) take(message);
      };
      this.#broker.carry({ step, lane, message, connection, run });
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
