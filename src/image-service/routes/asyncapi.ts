import type { FastifyInstance } from 'fastify';
import {
  DEAD_LETTER_QUEUE,
  EVENT_NAMES,
  EVENT_VERSION,
  EVENTS,
  Metadata,
  OPERATION_NAMES,
  OPERATIONS,
  type OperationName,
  REQUEST,
  REQUEST_QUEUE,
  RESPONSE,
  Response,
} from '../../contract/messages.ts';
import { JSON_TYPE } from './answers.ts';
import { BINDING_VERSION, published, queue, routed } from './asyncapi-bindings.ts';
import { openSchema } from './open-schema.ts';

/** The AsyncAPI 3 document: all that the Storage Service takes, answers and tells over the hub. */

const DESCRIPTION = `Keeps images and themes, and answers requests about them over RabbitMQ. docs/message-hub.md tells \
the same in prose, with what a client must do. Content of up to 256 KiB may be inside a message; larger content is \
sent beside it, to the content endpoint, under the same operation_id.`;

const SUMMARIES: Record<OperationName, string> = {
  create_image: 'keeps a new image; without `id` it gets one',
  get_image: 'a live image',
  update_image: 'changes what is said of an image: a merge patch, or with `whole` all of it',
  delete_image: 'deletes an image; it can be restored for a time',
  restore_image: 'brings a deleted image back',
  list_images: 'a page of the images that match every filter',
  replace_content: 'gives an image other bytes',
  get_content: 'the bytes of an image: of either `image_id` or `sha256`',
  list_themes: 'all themes',
  put_theme: 'describes a theme',
  delete_theme: 'deletes a theme that no image and no other theme needs',
  ping: 'answers when images can be read; `degraded` tells why writes fail now',
};

type Json = Record<string, unknown>;

/** The route of the document, which is made when it is first asked for. */
export async function asyncapiRoutes(
  scope: FastifyInstance,
  { version }: { version: string },
): Promise<void> {
  let document: string | undefined;
  scope.get('/asyncapi.json', (_request, reply) => {
    document ??= JSON.stringify(asyncapiDocument(version));
    reply.type(JSON_TYPE).header('cache-control', 'no-cache').send(document);
  });
}

export function asyncapiDocument(version: string): Json {
  const schemas: Record<string, Json> = {};
  const of = (schema: object) => named(JSON.parse(JSON.stringify(schema)), schemas);
  const open = (schema: object) => of(openSchema(schema));
  schemas.Metadata = of(Metadata);
  schemas.Failure = open(Response.anyOf[1]);
  const messages: Record<string, Json> = { failure: failure() };
  for (const name of OPERATION_NAMES) {
    messages[name] = request(name, of(OPERATIONS[name].data));
    messages[`${name}.success`] = success(name, open(OPERATIONS[name].answer));
  }
  for (const type of EVENT_NAMES) messages[type] = event(type, open(EVENTS[type]));
  const answers = Object.keys(messages).filter((name) => /success$|^failure$/.test(name));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'D&D Storage Service',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    defaultContentType: 'application/json',
    channels: {
      requests: {
        address: REQUEST,
        title: 'Requests',
        description: `Published to the exchange, mandatory; they wait in the queue ${REQUEST_QUEUE}.`,
        messages: refs(OPERATION_NAMES),
        bindings: routed(REQUEST_QUEUE),
      },
      replies: {
        title: 'Answers to whoever asked',
        description: 'The queue that the property reply_to of the request names.',
        messages: refs(answers),
        bindings: queue(undefined),
      },
      responses: {
        address: RESPONSE,
        title: 'Answers to all',
        description: 'Answers to requests without reply_to.',
        messages: refs(answers),
        bindings: routed(),
      },
      ...Object.fromEntries(
        EVENT_NAMES.map((type) => [
          type,
          { address: type, messages: refs([type]), bindings: routed() },
        ]),
      ),
      dead_letters: {
        address: DEAD_LETTER_QUEUE,
        title: 'Requests that could not be answered',
        description: 'As they were sent, with the headers x-death and x-first-death-reason.',
        messages: refs(OPERATION_NAMES),
        bindings: queue(DEAD_LETTER_QUEUE),
      },
    },
    operations: secured({
      ...Object.fromEntries(OPERATION_NAMES.map((name) => [name, answered(name)])),
      answer_all: {
        action: 'send',
        channel: ref('channels/responses'),
        summary: 'answers a request that names no queue',
        bindings: published(),
      },
      ...Object.fromEntries(
        EVENT_NAMES.map((type) => [
          type,
          { action: 'send', channel: ref(`channels/${type}`), bindings: published() },
        ]),
      ),
      dead_letter: {
        action: 'send',
        channel: ref('channels/dead_letters'),
        summary: 'puts a request aside that cannot be answered',
      },
    }),
    components: {
      schemas,
      messages,
      messageTraits: { message: EVERY_MESSAGE },
      securitySchemes: {
        user: { type: 'userPassword', description: 'a user of the broker, by MESSAGE_HUB_URL' },
      },
    },
  };
}

const text = (description: string) => ({ type: 'string', description });

/** What all messages have; what each kind adds stands with it. */
const EVERY_MESSAGE: Json = {
  contentType: 'application/json',
  correlationId: { location: '$message.payload#/metadata/correlation_id' },
  headers: {
    type: 'object',
    properties: {
      event_type: text('the routing key by which it was published'),
      event_version: { const: EVENT_VERSION },
      request_id: text('follows one request through every log'),
      traceparent: text('of W3C Trace Context; comes back with the answer'),
    },
    required: ['event_type', 'event_version'],
  },
};

function message(type: string, about: Json, data: Json, headers: Json = {}): Json {
  return {
    ...about,
    traits: [ref('components/messageTraits/message')],
    headers: {
      type: 'object',
      properties: { event_type: { const: type }, ...headers },
    },
    payload: {
      type: 'object',
      required: ['metadata', 'data'],
      properties: { metadata: ref('components/schemas/Metadata'), data },
    },
    bindings: { amqp: { messageType: type, bindingVersion: BINDING_VERSION } },
  };
}

function request(name: OperationName, data: Json): Json {
  const operation_id = {
    type: 'string',
    format: 'uuid',
    description: 'names the operation: repeated with the same data it is carried out once',
  };
  return message(
    REQUEST,
    { title: name, summary: SUMMARIES[name] },
    {
      type: 'object',
      required: ['operation', 'operation_id', 'data'],
      properties: { operation: { const: name }, operation_id, data },
    },
  );
}

const ANSWER_HEADERS = { in_reply_to: text('message_id of the request') };

function success(name: OperationName, data: Json): Json {
  const replayed = {
    type: 'boolean',
    description: 'the answer was kept from an earlier execution',
  };
  const created = { type: 'boolean', description: 'the theme is new' };
  return message(
    RESPONSE,
    { title: `${name}: success` },
    {
      type: 'object',
      required: ['operation_id', 'status', 'data'],
      properties: {
        operation_id: text('of the request'),
        status: { const: 'success' },
        data,
        ...(OPERATIONS[name].writes && { replayed }),
        ...(name === 'put_theme' && { created }),
      },
    },
    ANSWER_HEADERS,
  );
}

function failure(): Json {
  const about = { title: 'error', summary: 'of any operation; `code` says which' };
  return message(RESPONSE, about, ref('components/schemas/Failure'), ANSWER_HEADERS);
}

function event(type: string, data: Json): Json {
  const order = type.startsWith('image.') ? ', in order for each image' : '';
  const summary = `published once the change is durable, at least once${order}`;
  return message(type, { title: type, summary }, data);
}

function answered(name: OperationName): Json {
  const inReplies = (message: string) => ref(`channels/replies/messages/${message}`);
  return {
    action: 'receive',
    channel: ref('channels/requests'),
    summary: SUMMARIES[name],
    messages: [ref(`channels/requests/messages/${name}`)],
    reply: {
      address: {
        location: '$message.header#/reply_to',
        description: 'the property reply_to',
      },
      channel: ref('channels/replies'),
      messages: [inReplies(`${name}.success`), inReplies('failure')],
    },
    bindings: { amqp: { ack: true, bindingVersion: BINDING_VERSION } },
  };
}

/** The broker asks each client for its user. */
function secured(operations: Record<string, Json>): Record<string, Json> {
  const security = [ref('components/securitySchemes/user')];
  const entries = Object.entries(operations).map(
    ([name, operation]) => [name, { ...operation, security }] as const,
  );
  return Object.fromEntries(entries);
}

function ref(pointer: string): Json {
  return { $ref: `#/${pointer}` };
}

function refs(names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, ref(`components/messages/${name}`)]));
}

/** The schema, those within it that have a name moved to `schemas` and referred to. */
function named(schema: unknown, schemas: Record<string, Json>): Json {
  if (typeof schema !== 'object' || schema === null) return schema as never;
  if (Array.isArray(schema)) return schema.map((one) => named(one, schemas)) as never;
  const { $id, ...rest } = schema as Json;
  const entries = Object.entries(rest).map(([key, value]) => [key, named(value, schemas)]);
  const inner = Object.fromEntries(entries) as Json;
  if (typeof $id !== 'string') return inner;
  schemas[$id] = inner;
  return ref(`components/schemas/${$id}`);
}
