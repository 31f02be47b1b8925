import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import ajvFormats from 'ajv-formats';
import { EVENT_NAMES, OPERATION_NAMES } from '../../src/contract/messages.ts';
import { asyncapiDocument } from '../../src/image-service/routes/asyncapi.ts';
import { checkedApi, create, png } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { type Heard, hasJoined, listenToHub, messageCheck } from '../services/hub-messages.ts';
import { startService } from '../services/service.ts';
import { startImages, startStorage } from '../services/two-services.ts';
import { withBroker } from '../services/with-broker.ts';

// Not by its entry, which reads the schemas of all versions.
const specification = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0.json');
// It brings draft-07 along, under the name under which Ajv has it.
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false });
ajvFormats.default(ajv);
const isValid = ajv.compile(JSON.parse(readFileSync(specification, 'utf8')));

test('the document is served, and is valid AsyncAPI 3.0', async () => {
  await using service = await startService();
  const answer = await fetch(`${service.url}/asyncapi.json`);
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  const document = (await answer.json()) as { asyncapi: string };
  assert.ok(isValid(document), ajv.errorsText(isValid.errors));
  assert.equal(document.asyncapi, '3.0.0');
  assert.ok(!isValid({ ...document, channels: { requests: { address: 1 } } }));
});

test('every reference in it leads somewhere, and no schema has a name of its own', () => {
  const document = asyncapiDocument('1');
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1]!);
  assert.ok(references.length > 50);
  for (const reference of new Set(references)) {
    let found: unknown = document;
    for (const step of reference.split('/')) found = (found as Record<string, unknown>)?.[step];
    assert.ok(found, reference);
  }
  assert.doesNotMatch(text, /"\$id"/);
});

test('it holds every operation and event', () => {
  const { operations } = asyncapiDocument('1') as { operations: object };
  const expected = [...OPERATION_NAMES, 'answer_all', ...EVENT_NAMES, 'dead_letter'];
  assert.deepEqual(Object.keys(operations), expected);
});

await withBroker((broker) => {
  test('all that two services and a client say is as it says', async () => {
    const hub = { MESSAGE_HUB_URL: await broker.vhost() };
    await using storage = await startStorage(hub);
    await using images = await startImages({ ...hub, STORAGE_SERVICE_URL: storage.url });
    await using client = await listenToHub(hub.MESSAGE_HUB_URL);
    await hasJoined(storage);
    const document = (await (await fetch(`${images.url}/asyncapi.json`)).json()) as object;
    const check = messageCheck(document);

    // Each twice, which changes nothing more; the second answer goes to all.
    const succeeds = async (operation: string, data: object = {}) => {
      const request = { operation, operation_id: randomUUID(), data };
      const first = await client.ask(request);
      const second = await client.ask(request, 'storage.response');
      for (const answer of [first, second]) {
        check.message(`${operation}.success`, answer);
        assert.equal(answer.properties.correlationId, request.operation_id);
      }
      return first.body.data.data as { id: string };
    };
    const fails = async (operation: string, data: object = {}) => {
      const request = { operation, operation_id: randomUUID(), data };
      check.message('failure', await client.ask(request));
      check.message('failure', await client.ask(request, 'storage.response'));
    };
    const content = contentOf(await png());
    const fields = {
      type: 'token',
      theme: 'noir_detective',
      tags: ['Elf'],
      attributes: { a: [1] },
    };
    const image = await succeeds('create_image', { name: 'Mira', ...fields, content });
    const image_id = image.id;
    const large = await png(400, 400);
    await succeeds('update_image', { image_id, patch: { description: 'x', tags: null } });
    await succeeds('replace_content', { image_id, content: contentOf(await png()) });
    await succeeds('get_image', { image_id });
    await succeeds('get_content', { image_id });
    await succeeds('list_images', { attr: { a: ['1'] }, limit: 10 });
    await succeeds('list_themes');
    await succeeds('put_theme', { name: 'tale', parent: 'fantasy', synonyms: ['yarn'] });
    await succeeds('delete_theme', { name: 'tale' });
    await succeeds('delete_image', { image_id });
    await succeeds('restore_image', { image_id, if_version: 4 });
    await succeeds('ping');
    const wrong = { ...content, sha256: '0'.repeat(64) };
    await fails('create_image', { name: 'Mira', ...fields, content: wrong });
    await fails('get_image', { image_id: randomUUID() });

    // What the Image Service itself asks, and the content of which only the hash is in the message.
    const uploaded = await create(await checkedApi(images.url), {}, large);
    await succeeds('get_content', { image_id: uploaded.id });
    const events = () => client.heard.filter(({ key }) => isEvent(key));
    await eventually(() => assert.equal(events().length, 8));
    for (const message of client.heard) check.message(nameOf(message), message);
    const names = new Set(client.heard.map(nameOf));
    assert.deepEqual([...names].sort(), [...everyName()].sort());
    assertProperties(client.heard);

    const [host, path] = [new URL(broker.managementUrl), new URL(hub.MESSAGE_HUB_URL).pathname];
    const { username, password, origin } = host;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    for (const declared of queuesOf(document)) {
      const address = `${origin}/api/queues${path}/${declared.name}`;
      const answer = await fetch(address, { headers: { authorization } });
      const { arguments: real, durable } = (await answer.json()) as Record<string, object>;
      assert.equal(durable, true);
      assert.deepEqual({ ...real, ...declared['x-arguments'] }, real, declared.name);
    }
  });
});

test('a message that differs from it is found', () => {
  const check = messageCheck(asyncapiDocument('1'));
  const metadata = { event_type: 'storage.request', event_version: '1', source_id: 'test' };
  const complete = { ...metadata, correlation_id: 'a', timestamp: 'b', ttl: 1 };
  const data = { operation: 'ping', operation_id: randomUUID(), data: {} };
  check.body('ping', { metadata: complete, data });
  assert.throws(() => check.body('ping', { metadata, data }), /correlation_id/);
  const other = { ...data, operation: 'pong' };
  assert.throws(() => check.body('ping', { metadata: complete, data: other }), /constant/);
  const image = { metadata: complete, data: { ...data, status: 'success', data: {} } };
  assert.throws(() => check.body('get_image.success', image), /id/);
});

function everyName(): string[] {
  const answers = OPERATION_NAMES.map((name) => `${name}.success`);
  return [...OPERATION_NAMES, ...answers, 'failure', ...EVENT_NAMES];
}

const isEvent = (key: string) => EVENT_NAMES.some((name) => name === key);
const asked = new Map<string, string>();

/** As the document calls it. Requests are heard before their answers. */
function nameOf({ key, body, properties }: Heard): string {
  const { operation, status } = body.data as { operation: string; status?: string };
  if (isEvent(key)) return key;
  if (key === 'storage.request') {
    asked.set(properties.messageId!, operation);
    return operation;
  }
  if (status === 'error') return 'failure';
  return `${asked.get(properties.headers?.in_reply_to)}.success`;
}

function assertProperties(heard: readonly Heard[]): void {
  for (const { key, body, properties } of heard.filter(({ properties }) => properties.appId)) {
    assert.equal(properties.contentType, 'application/json');
    assert.equal(properties.durable, true);
    assert.match(properties.messageId!, /^[0-9a-f-]{36}$/);
    assert.equal(properties.correlationId, body.metadata.correlation_id);
    assert.equal(properties.type, body.metadata.event_type);
    assert.ok(Math.abs(properties.timestamp! - Date.now() / 1000) < 600);
    assert.equal(properties.replyTo !== undefined, key === 'storage.request');
    assert.equal(properties.expiration !== undefined, key === 'storage.request');
  }
}

function contentOf(bytes: Buffer) {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha256, size_bytes: bytes.length, data: bytes.toString('base64') };
}

type Queue = { name: string; 'x-arguments': object };

function queuesOf(document: object): Queue[] {
  type Binding = { amqp: { queue?: Queue; 'x-queue'?: Queue } };
  const { channels } = document as { channels: Record<string, { bindings: Binding }> };
  const { requests, dead_letters } = channels;
  return [requests!.bindings.amqp['x-queue']!, dead_letters!.bindings.amqp.queue!];
}
