import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Ajv } from 'ajv';
import ajvFormats from 'ajv-formats';
import { type AsyncMessage, Connection } from 'rabbitmq-client';
import { closed } from './api.ts';
import { eventually } from './data-folder.ts';

/** A message as RabbitMQ carried it. */
export type Heard = { key: string; body: Body; properties: AsyncMessage };
export type Body = {
  metadata: { event_type: string; correlation_id: string };
  data: Record<string, unknown>;
};
type Json = { [name: string]: Json };

/** Until a Storage Service takes requests. */
export async function hasJoined({ url }: { url: string }): Promise<void> {
  await eventually(async () => {
    const { dependencies } = (await (await fetch(`${url}/health`)).json()) as {
      dependencies: { message_hub: { status: string } };
    };
    assert.equal(dependencies.message_hub.status, 'healthy');
  });
}

/** Listens to all that goes over the exchange, and asks in messages of its own making. */
export async function listenToHub(url: string) {
  const connection = new Connection(url);
  const channel = await connection.acquire();
  const heard: Heard[] = [];
  const { queue: replies } = await channel.queueDeclare({ exclusive: true });
  const { queue: everything } = await channel.queueDeclare({ exclusive: true });
  await channel.exchangeDeclare({ exchange: 'dnd_events', type: 'topic', durable: true });
  await channel.queueBind({ exchange: 'dnd_events', queue: everything, routingKey: '#' });
  for (const queue of [replies, everything]) {
    await channel.basicConsume({ queue, noAck: true }, (properties) => {
      const key = queue === replies ? 'reply' : properties.routingKey;
      heard.push({ key, body: properties.body, properties });
    });
  }

  /** The answer, from a queue of one's own, or else from where all answers without one go. */
  const ask = async (data: object, to: 'reply' | 'storage.response' = 'reply'): Promise<Heard> => {
    const messageId = randomUUID();
    const { operation_id } = data as { operation_id: string };
    const metadata = {
      event_type: 'storage.request',
      event_version: '1',
      source_id: 'test',
      correlation_id: operation_id,
      timestamp: new Date().toISOString(),
      ttl: 20,
    };
    await channel.basicPublish(
      {
        exchange: 'dnd_events',
        routingKey: 'storage.request',
        messageId,
        correlationId: operation_id,
        contentType: 'application/json',
        headers: { event_type: 'storage.request', event_version: '1' },
        ...(to === 'reply' && { replyTo: replies }),
      },
      Buffer.from(JSON.stringify({ metadata, data })),
    );
    let answer: Heard | undefined;
    await eventually(() => {
      answer = heard.find((message) => message.properties.headers?.in_reply_to === messageId);
      assert.ok(answer, `no answer to ${JSON.stringify(data)}`);
    });
    assert.equal(answer!.key, to);
    return answer!;
  };
  const close = async () => {
    await channel.close();
    await connection.close();
  };
  return { heard, ask, [Symbol.asyncDispose]: close };
}

/** Asserts that a message is as an AsyncAPI document says of the message with this name. */
export function messageCheck(document: object) {
  const { channels, components } = document as Record<string, Json>;
  const schemas = closed(components!.schemas);
  const ajv = new Ajv({ strict: false });
  ajvFormats.default(ajv);
  ajv.addSchema({ ...document, components: { ...components, schemas } }, 'document');
  const assertValid = (pointer: string, value: unknown, name: string) => {
    const valid = ajv.validate({ $ref: `document#/${pointer}` }, value);
    assert.ok(valid, `${name}: ${ajv.errorsText()} in ${JSON.stringify(value)}`);
  };
  return {
    body(name: string, body: unknown): void {
      assertValid(`components/messages/${name}/payload`, body, name);
    },
    /** With its headers, and that its channel has it. */
    message(name: string, { key, body, properties }: Heard): void {
      const channel = Object.values(channels!).find(
        ({ address }) => (address ?? 'reply') === (key as unknown),
      );
      assert.ok(channel?.messages?.[name], `${key} has no ${name}`);
      this.body(name, body);
      const { headers } = properties;
      assertValid(`components/messages/${name}/headers`, headers, name);
      for (const trait of Object.keys(components!.messageTraits!)) {
        assertValid(`components/messageTraits/${trait}/headers`, headers, name);
      }
      const binding = components!.messages![name]!.bindings!.amqp!;
      assert.equal(properties.type ?? body.metadata.event_type, binding.messageType);
    },
  };
}
