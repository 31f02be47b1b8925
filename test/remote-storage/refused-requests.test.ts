import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { MESSAGE_CONTENT_MAX_BYTES } from '../../src/contract/limits.ts';
import type { Received } from '../../src/hub/hub.ts';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { eventually } from '../services/data-folder.ts';
import { joinStorage } from '../services/joined-storage.ts';

const broker = new MemoryBroker();
const joined = await joinStorage((appId) => broker.hub(appId));
const client = broker.hub('client');
const replies: Received[] = [];
client.receiveReplies((message) => replies.push(message));
after(async () => {
  await client.close();
  await joined[Symbol.asyncDispose]();
});

type Fault = { code: string; message: string; details: { errors?: { field: string }[] } };

async function refusal(
  metadata: unknown,
  data: unknown,
  changed = (body: string) => body,
): Promise<Fault> {
  const message_id = randomUUID();
  await client.sendRequest({
    type: 'storage.request',
    message_id,
    correlation_id: randomUUID(),
    reply_to: client.replyQueue,
    timestamp: Date.now(),
    body: changed(JSON.stringify({ metadata, data })),
  });
  const isAnswer = ({ in_reply_to }: Received) => in_reply_to === message_id;
  await eventually(() => assert.ok(replies.some(isAnswer)));
  return (replies.find(isAnswer)!.body as { data: Fault }).data;
}

const metadata = () => ({
  event_type: 'storage.request',
  event_version: '1',
  source_id: 'test',
  correlation_id: 'any',
  timestamp: new Date().toISOString(),
  ttl: 20,
});
const request = (operation: string, data: unknown) => ({
  operation,
  operation_id: randomUUID(),
  data,
});
const ping = () => request('ping', {});
const image = { type: 'portrait', name: 'Elf', theme: 'fantasy' };
const create = (content: unknown) => request('create_image', { ...image, content });
const sha256 = 'ab'.repeat(32);
const tooMuch = Buffer.alloc(MESSAGE_CONTENT_MAX_BYTES + 1).toString('base64');

/** What is sent, and the field that its refusal names. */
const REFUSED: [string, unknown, unknown, string][] = [
  ['no metadata', undefined, ping(), 'metadata'],
  ['metadata that is null', null, ping(), 'metadata'],
  ['another event', { ...metadata(), event_type: 'x' }, ping(), 'metadata.event_type'],
  ['another version', { ...metadata(), event_version: '2' }, ping(), 'metadata.event_version'],
  ['a time to live below zero', { ...metadata(), ttl: -1 }, ping(), 'metadata.ttl'],
  [
    'a time without its zone',
    { ...metadata(), timestamp: '2026-01-31T18:00:00' },
    ping(),
    'metadata.timestamp',
  ],
  [
    'a day that never was',
    { ...metadata(), timestamp: '2026-02-30T18:00:00Z' },
    ping(),
    'metadata.timestamp',
  ],
  ['no data', metadata(), undefined, 'data'],
  ['an unknown operation', metadata(), request('drop_tables', {}), 'operation'],
  ['data that is a list', metadata(), request('ping', []), 'data'],
  ['a field for a ping', metadata(), request('ping', { loud: true }), 'loud'],
  ['no content', metadata(), request('create_image', image), 'content'],
  ['content that is null', metadata(), create(null), 'content'],
  ['content that is text', metadata(), create('bytes'), 'content'],
  ['a hash that is none', metadata(), create({ sha256: 'x', size_bytes: 1 }), 'content.sha256'],
  [
    'bytes of another size than told',
    metadata(),
    create({ sha256, size_bytes: 1, data: 'AAAA' }),
    'content.size_bytes',
  ],
  [
    'a byte more than a message may carry',
    metadata(),
    create({ sha256, size_bytes: MESSAGE_CONTENT_MAX_BYTES + 1, data: tooMuch }),
    'content.data',
  ],
  ...[undefined, null, [], 'name'].map((patch): [string, unknown, unknown, string] => [
    `a patch that is ${JSON.stringify(patch)}`,
    metadata(),
    request('update_image', { image_id: randomUUID(), patch }),
    'patch',
  ]),
];

for (const [what, given, data, field] of REFUSED) {
  test(`a request is refused by the name of its fault: ${what}`, async () => {
    const { code, message, details } = await refusal(given, data);
    assert.equal(code, 'invalid_request');
    assert.deepEqual(
      details.errors?.map((error) => error.field),
      [field],
      message,
    );
    assert.ok(message.startsWith(`${field} `), message);
  });
}

test('a number that would become another one is refused by its name', async () => {
  const long = '{"id":[1,1234567890123456789]}';
  const content = { sha256, size_bytes: 1 };
  for (const data of [
    request('create_image', { ...image, content, attributes: 'LONG' }),
    request('update_image', { image_id: randomUUID(), patch: { attributes: 'LONG' } }),
  ]) {
    const { code, message } = await refusal(metadata(), data, (body) =>
      body.replace('"LONG"', long),
    );
    assert.equal(code, 'invalid_request');
    assert.match(message, /^attributes\.id is 1234567890123456789, .*send it as text/);
  }
});

test('a request that cannot be read is counted as received and as malformed, other faults are not', async () => {
  const counted = async (given: unknown, data: unknown) => {
    const before = joined.counted.length;
    await refusal(given, data);
    const asked = joined.counted.slice(before).filter((each) => each.endsWith('storage.request'));
    return asked.map((each) => each.split(' ')[0]);
  };
  assert.deepEqual(await counted(undefined, ping()), ['received', 'malformed']);
  assert.deepEqual(await counted(metadata(), request('drop_tables', {})), [
    'received',
    'malformed',
  ]);
  assert.deepEqual(await counted(metadata(), create(null)), ['received']);
});

test('a request that cannot be answered is counted as received and laid aside', async () => {
  const before = joined.counted.length;
  await client.sendRequest({
    type: 'storage.request',
    message_id: randomUUID(),
    correlation_id: randomUUID(),
    reply_to: 'storage_service.dead',
    timestamp: Date.now(),
    body: '{}',
  });
  const expected = ['received storage.request', 'dead storage.request'];
  await eventually(() => assert.deepEqual(joined.counted.slice(before), expected));
});
