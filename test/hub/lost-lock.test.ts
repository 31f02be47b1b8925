import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Connection } from 'rabbitmq-client';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { eventually } from '../services/data-folder.ts';
import { withBroker } from '../services/with-broker.ts';

const LOCK = 'storage_service.lock';
const REQUESTS = 'storage_service';
/** The end of a frame that opens a channel; its number stands before. */
const CHANNEL_OPEN = Buffer.from([0, 0, 0, 5, 0, 20, 0, 10, 0, 0xce]);

/** queue.delete, of whatever is in it and without an answer. */
function deletion(channel: number, queue: string): Buffer {
  const name = Buffer.from(queue);
  const payload = Buffer.from([0, 50, 0, 40, 0, 0, name.length, ...name, 0b100]);
  const head = Buffer.alloc(7);
  head.writeUInt8(1, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

/** The way of a hub to its broker: only the connection that declared the lock may delete it. */
async function startWay(brokerPort: number) {
  const sockets = new Set<Socket>();
  let receiving: { upstream: Socket; channel: number } | undefined;
  const server = createServer((client) => {
    const upstream = connect(brokerPort, '127.0.0.1');
    const here = { upstream, channel: 0 };
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}));
    client.on('data', (bytes: Buffer) => {
      if (bytes.includes('storage_service receives')) receiving = here;
      const opens = bytes.lastIndexOf(CHANNEL_OPEN);
      if (opens !== -1) here.channel = bytes.readUInt16BE(opens - 2);
      upstream.write(bytes);
    });
    client.on('close', () => upstream.destroy());
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    deleteLock() {
      receiving?.upstream.write(deletion(receiving.channel, LOCK));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

await withBroker((broker) => {
  test('who loses the lock to another takes no more requests until it has the lock again', async () => {
    const address = await broker.vhost();
    const url = new URL(address);
    await using closing = new AsyncDisposableStack();
    const way = closing.use(await startWay(Number(url.port)));
    url.port = String(way.port);
    const log = createLog({ service: 'test', version: '0', level: 'ERROR' });
    const hubs = [url.href, address].map(
      (url) => new AmqpHub({ url, appId: 'storage_service', log }),
    );
    const [storage, edge] = hubs as [AmqpHub, AmqpHub];
    const other = new Connection(address);
    for (const each of [storage, edge, other]) closing.defer(() => each.close());
    const taken: unknown[] = [];
    storage.receiveRequests(
      async ({ message_id }) => {
        taken.push(message_id);
        return 'done';
      },
      () => {},
    );
    await Promise.all(hubs.map((hub) => hub.connect(AbortSignal.timeout(10_000))));

    // The storage tries to win it again: the other one may be later.
    await eventually(async () => {
      way.deleteLock();
      await eventually(async () => {
        await other.queueDeclare({ queue: LOCK, exclusive: true });
      }, 150);
    }, 20_000);
    const consumers = async () =>
      (await other.queueDeclare({ queue: REQUESTS, passive: true })).consumerCount;
    await eventually(async () => assert.equal(await consumers(), 0), 10_000);

    const message_id = randomUUID();
    const common = { message_id, correlation_id: message_id, timestamp: Date.now(), body: '{}' };
    await edge.sendRequest({ type: 'storage.request', ...common });
    assert.deepEqual(taken, []);
    await other.queueDelete({ queue: LOCK });
    await eventually(() => assert.deepEqual(taken, [message_id]), 10_000);
  });
});
