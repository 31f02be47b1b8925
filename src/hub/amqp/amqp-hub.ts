import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AMQPError, Channel, Connection } from 'rabbitmq-client';
import { ServiceError } from '../../contract/errors.ts';
import { PREFETCH_MAX_REQUESTS } from '../../contract/limits.ts';
import {
  type EventType,
  EXCHANGE,
  REQUEST,
  REQUEST_QUEUE,
  RESPONSE,
} from '../../contract/messages.ts';
import {
  type Hub,
  HubLostError,
  HubRefusedError,
  type Message,
  type Received,
  type Reception,
  type Settlement,
} from '../hub.ts';
import { onLost } from './bounded-frames.ts';
import { CLOSE_MAX_MS, closeConnection, HEARTBEAT_SECONDS, openConnection } from './connection.ts';
import { channelFault, connectionFault, hubFault } from './hub-fault.ts';
import { HubOutage, type OutageLog } from './hub-outage.ts';
import { inTime } from './in-time.ts';
import { keepBodies } from './kept-bodies.ts';
import { KeptChannel } from './kept-channel.ts';
import { envelopeOf, receivedOf, requestOf } from './properties.ts';
import {
  declareEvents,
  declareExchange,
  declareReplies,
  declareRequests,
  LOCK_QUEUE,
} from './topology.ts';

/** How long another service may keep the lock before this one gives up: it may be dying. */
const LOCK_WAIT_MS = 3 * HEARTBEAT_SECONDS * 1000;
/** A broker that confirms so late is no better than away. */
const CONFIRM_MAX_MS = 10_000;
const PING_MAX_MS = 2_000;

type Options = {
  /** `amqp:` or `amqps:`, with user, password and virtual host. */
  url: string;
  /** `image_service` or `storage_service` */
  appId: string;
  log: OutageLog;
};

/**
 * The Message Hub over RabbitMQ. What is sent has a connection of its own: a broker short of memory
 * stops reading from those that publish, and acknowledgements must not wait behind that.
 */
export class AmqpHub implements Hub {
  readonly replyQueue: string;
  readonly #options: Options;
  readonly #sending: Connection;
  readonly #receiving: Connection;
  readonly #publisher: KeptChannel;
  readonly #receptions = new Set<KeptChannel>();
  readonly #listeners = new Set<() => void>();
  /** Ids of messages that came back: no queue took them. */
  readonly #returned = new Set<string>();
  readonly #outage: HubOutage;

  constructor(options: Options) {
    const { appId } = options;
    this.#options = options;
    this.replyQueue = `${appId}.replies.${randomUUID()}`;
    this.#outage = new HubOutage(options.url, options.log);
    this.#sending = this.#connection('sends');
    this.#receiving = this.#connection('receives');
    this.#publisher = new KeptChannel({
      connection: this.#sending,
      setUp: async (channel) => {
        channel.on('basic.return', ({ messageId }) => this.#returned.add(messageId ?? ''));
        await declareExchange(channel);
        await channel.confirmSelect();
      },
      opened: () => this.#opened(),
      failed: (error) => this.#channelFailed(this.#sending, error),
    });
  }

  get connected(): boolean {
    return (
      this.#sending.ready &&
      this.#publisher.current !== undefined &&
      [...this.#receptions].every(({ current }) => current !== undefined)
    );
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.connected) return;
    const there = Promise.withResolvers<void>();
    const end = this.onReconnect(there.resolve);
    const abort = () => there.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await there.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      end();
    }
  }

  async sendRequest(message: Message): Promise<void> {
    await this.#publish(message, { exchange: EXCHANGE, routingKey: REQUEST, mandatory: true });
    // The library tells of a message that came back a turn after its confirmation.
    await nextTurn();
    if (!this.#returned.delete(message.message_id)) return;
    const text = 'The storage service has not joined the message hub yet; try again shortly.';
    throw new ServiceError('storage_unavailable', text);
  }

  async sendResponse(message: Message, queue: string | undefined): Promise<void> {
    const toQueue = { exchange: '', routingKey: queue ?? '' };
    const toAll = { exchange: EXCHANGE, routingKey: RESPONSE };
    await this.#publish(message, queue === undefined ? toAll : toQueue);
  }

  async sendEvent(message: Message): Promise<void> {
    await this.#publish(message, { exchange: EXCHANGE, routingKey: message.type });
  }

  receiveReplies(take: (message: Received) => void): Reception {
    return this.#receive(async (channel) => {
      await declareReplies(channel, this.replyQueue);
      await channel.basicConsume({ queue: this.replyQueue, noAck: true }, (message) =>
        take(receivedOf(message)),
      );
    });
  }

  receiveEvents(take: (message: Received) => void, missed: () => void): Reception {
    const queue = `${this.#options.appId}.events.${randomUUID()}`;
    const setUp = async (channel: Channel) => {
      await declareEvents(channel, queue);
      await channel.basicConsume({ queue, noAck: true }, (message) => take(receivedOf(message)));
    };
    // Where the exchange is gone, so are events: this ends the channel, and `missed` tells of it.
    const renew = async (channel: Channel) => {
      await channel.exchangeDeclare({ exchange: EXCHANGE, passive: true });
      await declareEvents(channel, queue);
    };
    return this.#receive(setUp, { opened: missed, renew });
  }

  receiveRequests(
    take: (message: Received) => Promise<Settlement>,
    refused: (error: Error) => void,
  ): Reception {
    const running = new Set<Promise<void>>();
    let consumerTag = '';
    const setUp = async (channel: Channel) => {
      keepBodies(channel);
      await channel.queueDeclare({ queue: LOCK_QUEUE, exclusive: true });
      await declareRequests(channel);
      await channel.basicQos({ prefetchCount: PREFETCH_MAX_REQUESTS });
      const consumed = await channel.basicConsume({ queue: REQUEST_QUEUE }, (message) => {
        const work = settle(channel, message.deliveryTag, take(requestOf(message)));
        running.add(work);
        work.finally(() => running.delete(work));
      });
      consumerTag = consumed.consumerTag;
    };
    const finish = async (channel: Channel) => {
      await inTime(channel.basicCancel({ consumerTag }), CLOSE_MAX_MS).catch(() => {});
      await Promise.allSettled(running);
    };
    let lockedSince: number | undefined;
    const failed = (error: Error) => {
      if ((error as AMQPError).code !== 'RESOURCE_LOCKED') return;
      lockedSince ??= Date.now();
      if (Date.now() - lockedSince < LOCK_WAIT_MS) return;
      const message = `Another storage service takes the requests of this message hub (it holds the queue ${LOCK_QUEUE}). Stop that one, or use another virtual host.`;
      refused(new Error(message, { cause: error }));
    };
    const opened = () => {
      lockedSince = undefined;
    };
    return this.#receive(setUp, { finish, failed, opened, renew: declareRequests });
  }

  async ping(): Promise<void> {
    const channel = this.connected ? this.#publisher.current : undefined;
    if (!channel) throw this.#outage.fault ?? hubFault('unreachable');
    // Asks for nothing that would need a permission or change anything.
    const answered = inTime(channel.basicQos({ prefetchCount: 0 }), PING_MAX_MS);
    await answered.catch((error) => {
      throw hubFault('timeout', error);
    });
  }

  async close(): Promise<void> {
    this.#outage.close();
    await Promise.all([...this.#receptions].map((reception) => reception.close()));
    await this.#publisher.close();
    await Promise.all([closeConnection(this.#receiving), closeConnection(this.#sending)]);
  }

  #connection(what: string): Connection {
    const { url, appId } = this.#options;
    const connection = openConnection(url, `${appId} ${what}`);
    onLost(connection, (error) => this.#outage.failed(connectionFault(error)));
    connection.on('connection.blocked', (reason) =>
      this.#outage.failed(hubFault('blocked'), { alarm: reason }),
    );
    connection.on('connection.unblocked', () => this.#opened());
    return connection;
  }

  #receive(
    setUp: (channel: Channel) => Promise<void>,
    hooks: {
      finish?(channel: Channel): Promise<void>;
      failed?(error: Error): void;
      opened?(): void;
      renew?(channel: Channel): Promise<void>;
    } = {},
  ): Reception {
    const kept = new KeptChannel({
      connection: this.#receiving,
      setUp,
      renew: hooks.renew,
      opened: () => {
        hooks.opened?.();
        this.#opened();
      },
      failed: (error) => {
        hooks.failed?.(error);
        this.#channelFailed(this.#receiving, error);
      },
    });
    this.#receptions.add(kept);
    const close = async () => {
      this.#receptions.delete(kept);
      await kept.close(hooks.finish);
    };
    return { close };
  }

  async #publish(
    message: Message,
    to: { exchange: string; routingKey: string; mandatory?: boolean },
  ): Promise<void> {
    const channel = this.#sending.ready ? this.#publisher.current : undefined;
    if (!channel) throw new HubLostError();
    try {
      const envelope = { ...envelopeOf(message, this.#options.appId), ...to };
      const confirmed = channel.basicPublish(envelope, Buffer.from(message.body));
      await inTime(confirmed, CONFIRM_MAX_MS);
    } catch (error) {
      this.#returned.delete(message.message_id);
      if ((error as AMQPError).code !== 'NACK') throw new HubLostError(error);
      throw refusalOf(message.type, to.routingKey, error);
    }
  }

  #opened(): void {
    if (!this.connected) return;
    this.#outage.ended();
    for (const listener of this.#listeners) listener();
  }

  /** Where the connection is lost, that is the cause, and it has been told. */
  #channelFailed(connection: Connection, error: Error): void {
    if (connection.ready) this.#outage.failed(channelFault(error));
    else if (!this.#outage.fault) this.#outage.failed(connectionFault(error));
  }
}

/** By the name of what was refused: the broker does not say it. */
function refusalOf(type: EventType, routingKey: string, cause: unknown): Error {
  if (type !== REQUEST) return new HubRefusedError(type, routingKey, cause);
  const text = 'The storage service has too many requests waiting; try again shortly.';
  return new ServiceError('overloaded', text, { cause });
}

/** A request that was settled on a channel that is gone by now comes again. */
async function settle(
  channel: Channel,
  deliveryTag: number,
  taken: Promise<Settlement>,
): Promise<void> {
  const settlement = await taken.catch((): Settlement => 'dead');
  if (!channel.active) return;
  if (settlement === 'done') channel.basicAck({ deliveryTag });
  else channel.basicNack({ deliveryTag, requeue: false });
}
