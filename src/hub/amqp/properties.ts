import type { AsyncMessage, Envelope } from 'rabbitmq-client';
import { parseJson } from '../../contract/json.ts';
import { EVENT_VERSION } from '../../contract/messages.ts';
import type { Message, Received } from '../hub.ts';

/** A message as AMQP properties and back, by docs/message-hub.md. */

/** As much as RabbitMQ 4 takes at most; nothing that we are sent is as large. */
const BODY_MAX_BYTES = 16 * 1024 * 1024;

export function envelopeOf(message: Message, appId: string): Envelope {
  const { reply_to, in_reply_to, request_id, traceparent, expires_in_ms } = message;
  return {
    contentType: 'application/json',
    messageId: message.message_id,
    correlationId: message.correlation_id,
    type: message.type,
    appId,
    // Whole seconds, as AMQP has them.
    timestamp: Math.floor(message.timestamp / 1000),
    durable: true,
    ...(reply_to !== undefined && { replyTo: reply_to }),
    ...(expires_in_ms !== undefined && { expiration: String(Math.ceil(expires_in_ms)) }),
    headers: {
      event_type: message.type,
      event_version: EVENT_VERSION,
      ...(in_reply_to !== undefined && { in_reply_to }),
      ...(request_id !== undefined && { request_id }),
      ...(traceparent !== undefined && { traceparent }),
    },
  };
}

/** A request as a client wrote it, on a channel that keeps bodies: it may hold numbers that JSON.parse changes. */
export function requestOf(message: AsyncMessage): Received {
  return receivedOf(message, parseJson);
}

type Parse = (text: string) => unknown;

export function receivedOf(message: AsyncMessage, parse: Parse = JSON.parse): Received {
  const headers = (message.headers ?? {}) as Record<string, unknown>;
  return {
    message_id: message.messageId,
    correlation_id: message.correlationId,
    reply_to: message.replyTo || undefined,
    in_reply_to: text(headers.in_reply_to, /^.{1,255}$/),
    request_id: text(headers.request_id, /^[\w.-]{1,64}$/),
    traceparent: text(headers.traceparent, /^[\da-f-]{55,128}$/),
    body: jsonOf(message.body, parse),
  };
}

/** The client library has parsed what says that it is JSON; what says nothing is tried. */
function jsonOf(body: unknown, parse: Parse): unknown {
  if (!Buffer.isBuffer(body) && typeof body !== 'string') return body;
  if (body.length > BODY_MAX_BYTES) return undefined;
  try {
    return parse(body.toString());
  } catch {
    return undefined;
  }
}

/** What a header is believed to be; anything else would come back in the answer, however long. */
function text(value: unknown, form: RegExp): string | undefined {
  return typeof value === 'string' && form.test(value) ? value : undefined;
}
