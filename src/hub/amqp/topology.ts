import type { Channel } from 'rabbitmq-client';
import {
  DEAD_LETTER_EXCHANGE,
  DEAD_LETTER_QUEUE,
  EXCHANGE,
  REQUEST,
  REQUEST_QUEUE,
} from '../../contract/messages.ts';

/** Exchanges and queues by docs/message-hub.md; a queue that is there with other arguments is an error. */

/** Held by the one service that takes requests; the broker lets it go with the connection. */
export const LOCK_QUEUE = 'storage_service.lock';

/** Of all requests that wait: 1,000 of the largest. */
const REQUESTS_MAX_BYTES = 268_435_456;
/** Deliveries of one request; one that kills the service each time must end. */
const REQUEST_MAX_DELIVERIES = 20;
const DEAD_LETTERS_KEPT_MS = 7 * 24 * 60 * 60 * 1000;
const DEAD_LETTERS_MAX = 10_000;
/** Events that wait for one instance; one that falls behind so far reads anew. */
const EVENTS_MAX = 10_000;

/** Both services declare it. */
export async function declareExchange(channel: Channel): Promise<void> {
  await channel.exchangeDeclare({ exchange: EXCHANGE, type: 'topic', durable: true });
}

/** The Storage Service alone declares these. */
export async function declareRequests(channel: Channel): Promise<void> {
  await declareExchange(channel);
  await channel.exchangeDeclare({ exchange: DEAD_LETTER_EXCHANGE, type: 'direct', durable: true });
  await channel.queueDeclare({
    queue: DEAD_LETTER_QUEUE,
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-message-ttl': DEAD_LETTERS_KEPT_MS,
      'x-max-length': DEAD_LETTERS_MAX,
    },
  });
  // A request keeps its routing key: the queue's name, when it was sent to the queue itself.
  for (const routingKey of [REQUEST, REQUEST_QUEUE]) {
    await channel.queueBind({
      exchange: DEAD_LETTER_EXCHANGE,
      queue: DEAD_LETTER_QUEUE,
      routingKey,
    });
  }
  await channel.queueDeclare({
    queue: REQUEST_QUEUE,
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': REQUEST_MAX_DELIVERIES,
      'x-max-length-bytes': REQUESTS_MAX_BYTES,
      'x-overflow': 'reject-publish',
      'x-dead-letter-exchange': DEAD_LETTER_EXCHANGE,
    },
  });
  await channel.queueBind({ exchange: EXCHANGE, queue: REQUEST_QUEUE, routingKey: REQUEST });
}

export async function declareReplies(channel: Channel, queue: string): Promise<void> {
  await channel.queueDeclare({ queue, exclusive: true, autoDelete: true });
}

export async function declareEvents(channel: Channel, queue: string): Promise<void> {
  await declareExchange(channel);
  const limit = { 'x-max-length': EVENTS_MAX };
  await channel.queueDeclare({ queue, exclusive: true, autoDelete: true, arguments: limit });
  for (const routingKey of ['image.*', 'theme.*']) {
    await channel.queueBind({ exchange: EXCHANGE, queue, routingKey });
  }
}
