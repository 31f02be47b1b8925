import { DEAD_LETTER_QUEUE, EXCHANGE, REQUEST_QUEUE } from '../../contract/messages.ts';

/** What the AsyncAPI document says of AMQP. */

/** What the `x-` arguments of a queue are in RabbitMQ; the service declares these. */
const QUEUE_ARGUMENTS = {
  [REQUEST_QUEUE]: {
    'x-queue-type': 'quorum',
    'x-delivery-limit': 20,
    'x-max-length-bytes': 268_435_456,
    'x-overflow': 'reject-publish',
  },
  [DEAD_LETTER_QUEUE]: {
    'x-queue-type': 'quorum',
    'x-message-ttl': 604_800_000,
    'x-max-length': 10_000,
  },
};

export const BINDING_VERSION = '0.3.0';

type Json = Record<string, unknown>;

/** Of what the service publishes. */
export function published(): Json {
  return { amqp: { deliveryMode: 2, timestamp: true, bindingVersion: BINDING_VERSION } };
}

/** By the exchange, and for requests into a queue of the service. */
export function routed(bound?: keyof typeof QUEUE_ARGUMENTS): Json {
  const exchange = { name: EXCHANGE, type: 'topic', durable: true, autoDelete: false, vhost: '/' };
  const into = bound && { 'x-queue': queueOf(bound) };
  return { amqp: { is: 'routingKey', exchange, ...into, bindingVersion: BINDING_VERSION } };
}

/** Without a name: one of the client's own. */
export function queue(name: keyof typeof QUEUE_ARGUMENTS | undefined): Json {
  const own = { durable: false, exclusive: true, autoDelete: true };
  const binding = { is: 'queue', queue: name ? queueOf(name) : own };
  return { amqp: { ...binding, bindingVersion: BINDING_VERSION } };
}

function queueOf(name: keyof typeof QUEUE_ARGUMENTS): Json {
  const kept = { durable: true, exclusive: false, autoDelete: false };
  return { name, ...kept, 'x-arguments': QUEUE_ARGUMENTS[name] };
}
