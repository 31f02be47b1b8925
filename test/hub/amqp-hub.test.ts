import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Connection } from 'rabbitmq-client';
import type { EventType } from '../../src/contract/messages.ts';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import type { Message } from '../../src/hub/hub.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { seeded } from '../faults/seeded.ts';
import { eventually } from '../services/data-folder.ts';
import { withBroker } from '../services/with-broker.ts';
import { hubSuite } from '../suites/hub-suite.ts';

/** In front of a broker; once it holds, what the broker answers does not arrive. */
async function heldProxy(brokerPort: number) {
  const sockets = new Set<Socket>();
  const asked = Promise.withResolvers<void>();
  let held = false;
  const server = createServer((client) => {
    const upstream = connect(brokerPort, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}));
    client.on('data', (bytes) => {
      upstream.write(bytes);
      if (held) asked.resolve();
    });
    upstream.on('data', (bytes) => held || client.write(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Resolves when something was asked that gets no answer. */
    asked: asked.promise,
    hold() {
      held = true;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const log = createLog({ service: 'test', version: '0', level: 'ERROR' });

/** Connections that are spoiled, of each of the seeds. */
const SPOILED = 12;

/** In front of a broker: after some bytes of each connection, the rest of what it answers is spoiled. */
async function spoilingProxy(brokerPort: number, random: () => number) {
  const sockets = new Set<Socket>();
  const counted = { connections: 0 };
  const server = createServer((client) => {
    counted.connections += 1;
    const upstream = connect(brokerPort, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    let intact = Math.floor(random() * 1_500);
    client.pipe(upstream);
    upstream.on('data', (bytes: Buffer) => {
      intact -= bytes.length;
      client.write(intact > 0 ? bytes : spoiled(bytes, random));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    counted,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A bit or a length changed, bytes left out, doubled, or put in between. */
function spoiled(bytes: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length);
  const kind = Math.floor(random() * 5);
  const noise = Buffer.from(
    Array.from({ length: 1 + Math.floor(random() * 40) }, () => random() * 256),
  );
  if (kind === 0) return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  if (kind === 1) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + noise.length)]);
  if (kind === 2) return Buffer.concat([bytes, bytes]);
  const copy = Buffer.from(bytes);
  if (kind === 3) copy[at]! ^= 1 << Math.floor(random() * 8);
  else copy.set(noise.subarray(0, Math.min(noise.length, copy.length - at)), at);
  return copy;
}

await withBroker((broker) => {
  hubSuite('AmqpHub', async () => {
    const url = await broker.vhost();
    const closing = new AsyncDisposableStack();
    return {
      async hub(appId) {
        const hub = new AmqpHub({ url, appId, log });
        closing.defer(() => hub.close());
        return hub;
      },
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    };
  });

  test('AmqpHub is the default user of RabbitMQ where the address names none', async () => {
    const url = new URL(await broker.vhost());
    url.username = '';
    url.password = '';
    const hub = new AmqpHub({ url: url.href, appId: 'image_service', log });
    try {
      await hub.connect(AbortSignal.timeout(10_000));
      await hub.ping();
    } finally {
      await hub.close();
    }
  });

  test('AmqpHub ends in time while the broker has not answered what it declares', async () => {
    const url = new URL(await broker.vhost());
    await using proxy = await heldProxy(Number(url.port));
    url.port = String(proxy.port);
    const hub = new AmqpHub({ url: url.href, appId: 'image_service', log });
    await hub.connect(AbortSignal.timeout(10_000));
    proxy.hold();
    hub.receiveReplies(() => {});
    await proxy.asked;
    const late = AbortSignal.timeout(3_500);
    const closed = hub.close().then(() => 'closed');
    const waited = new Promise((resolve) => late.addEventListener('abort', () => resolve('late')));
    assert.equal(await Promise.race([closed, waited]), 'closed');
  });

  test('AmqpHub says what the broker refuses: the password, the virtual host, a permission', async () => {
    const given = await broker.vhost();
    const { origin, username, password } = new URL(broker.managementUrl);
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const manage = async (path: string, body: object, method = 'PUT') => {
      const headers = { authorization, 'content-type': 'application/json' };
      const init = { method, headers, body: JSON.stringify(body) };
      assert.ok((await fetch(`${origin}/api/${path}`, init)).ok, path);
    };
    const user = `reader-${randomUUID()}`;
    await manage(`users/${user}`, { password: 'known', tags: '' });
    const vhost = new URL(given).pathname.slice(1);
    await manage(`permissions/${vhost}/${user}`, { configure: '^$', write: '^$', read: '.*' });
    const as = (changes: Partial<URL>) => Object.assign(new URL(given), changes).href;
    const refused = {
      wrong_password: as({ password: 'wrong' }),
      wrong_virtual_host: as({ pathname: '/absent' }),
      permission_denied: as({ username: user, password: 'known' }),
    };
    await Promise.all(
      Object.entries(refused).map(async ([reason, url]) => {
        const hub = new AmqpHub({ url, appId: 'image_service', log });
        try {
          await eventually(() => assert.rejects(hub.ping(), { name: 'HealthError', reason }));
        } finally {
          await hub.close();
        }
      }),
    ).finally(() => manage(`users/${user}`, {}, 'DELETE'));
  });

  for (const seed of [1, 2]) {
    test(`AmqpHub outlives whatever a broker sends (seed ${seed})`, {
      timeout: 60_000,
    }, async () => {
      const { below } = seeded(seed);
      const random = () => below(1_000_000) / 1_000_000;
      const url = new URL(await broker.vhost());
      const straight = url.href;
      await using proxy = await spoilingProxy(Number(url.port), random);
      url.port = String(proxy.port);
      const storage = new AmqpHub({ url: url.href, appId: 'storage_service', log });
      const edge = new AmqpHub({ url: url.href, appId: 'image_service', log });
      storage.receiveRequests(
        async () => 'done',
        () => {},
      );
      edge.receiveReplies(() => {});
      edge.receiveEvents(
        () => {},
        () => {},
      );
      const sender = new AmqpHub({ url: straight, appId: 'image_service', log });
      await sender.connect(AbortSignal.timeout(10_000));
      await eventually(async () => {
        const sent = [sender.sendEvent(message('image.created'))];
        sent.push(sender.sendResponse(message('storage.response'), edge.replyQueue));
        sent.push(storage.sendEvent(message('image.updated')));
        await Promise.allSettled(sent);
        assert.ok(proxy.counted.connections >= SPOILED);
      }, 40_000);
      for (const closing of [sender, edge, storage]) await closing.close();
    });
  }

  test('AmqpHub declares again what somebody removed from the broker', async () => {
    const url = await broker.vhost();
    const storage = new AmqpHub({ url, appId: 'storage_service', log });
    const edge = new AmqpHub({ url, appId: 'image_service', log });
    const requests = new Set<string>();
    const events = new Set<string>();
    let missed = 0;
    const take = async ({ message_id = '' }: { message_id: string | undefined }) => {
      requests.add(message_id);
      return 'done' as const;
    };
    storage.receiveRequests(take, (error) => assert.fail(error));
    edge.receiveEvents(
      ({ message_id = '' }) => events.add(message_id),
      () => missed++,
    );
    const deadline = AbortSignal.timeout(10_000);
    await Promise.all([storage.connect(deadline), edge.connect(deadline)]);
    assert.equal(missed, 1);

    const operator = new Connection(url);
    await operator.exchangeDelete({ exchange: 'dnd_events' });
    await operator.queueDelete({ queue: 'storage_service.dead' });
    await eventually(async () => {
      const [request, event] = [message('storage.request'), message('image.created')];
      await edge.sendRequest(request);
      await storage.sendEvent(event);
      await eventually(() => {
        assert.ok(requests.has(request.message_id));
        assert.ok(events.has(event.message_id));
      }, 500);
    }, 20_000);
    await operator.queueDeclare({ queue: 'storage_service.dead', passive: true });
    for (const closing of [operator, edge, storage]) await closing.close();
  });

  test('AmqpHub names the answer that a full queue refuses, and calls full requests overload', async () => {
    const url = await broker.vhost();
    const hub = new AmqpHub({ url, appId: 'storage_service', log });
    await hub.connect(AbortSignal.timeout(10_000));
    const operator = new Connection(url);
    const full = { 'x-max-length': 1, 'x-overflow': 'reject-publish' } as const;
    for (const queue of ['answers', 'storage_service']) {
      await operator.queueDeclare({ queue, arguments: full });
    }
    const routingKey = 'storage.request';
    await operator.queueBind({ exchange: 'dnd_events', queue: 'storage_service', routingKey });

    await hub.sendResponse(message('storage.response'), 'answers');
    await assert.rejects(hub.sendResponse(message('storage.response'), 'answers'), {
      name: 'HubRefusedError',
      message: /refused storage\.response: the queue answers is full/,
    });
    await hub.sendRequest(message('storage.request'));
    await assert.rejects(hub.sendRequest(message('storage.request')), { code: 'overloaded' });
    await operator.queueBind({ exchange: 'dnd_events', queue: 'answers', routingKey: 'image.*' });
    await assert.rejects(hub.sendEvent(message('image.created')), {
      message: /refused image\.created: a queue bound to it is full/,
    });
    for (const closing of [operator, hub]) await closing.close();
  });
});

function message(type: EventType): Message {
  const common = { type, message_id: randomUUID(), correlation_id: randomUUID() };
  return { ...common, timestamp: Date.now(), body: '{}' };
}
