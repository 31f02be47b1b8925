import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Connection } from 'rabbitmq-client';
import { eventually } from './data-folder.ts';
import { type Broker, brokerForTests } from './rabbitmq.ts';

const found = await brokerForTests();
after(() => ('broker' in found ? found.broker.stop() : undefined));

test('Virtual hosts do not see each other’s queues', async (t) => {
  if ('skip' in found) return t.skip(found.skip);
  await using one = await connection(await found.broker.vhost());
  await using other = await connection(await found.broker.vhost());
  await one.queueDeclare('shared');
  await one.queueDeclare({ queue: 'shared', passive: true });
  await assert.rejects(other.queueDeclare({ queue: 'shared', passive: true }), {
    code: 'NOT_FOUND',
  });
});

test('A broker that was killed comes back at its address with its durable queue', async (t) => {
  const own = await brokerForTests({ own: true });
  if ('skip' in own) return t.skip(own.skip);
  await using broker = own.broker;
  const url = await broker.vhost();
  const queue = { queue: 'kept', durable: true };
  {
    await using before = await connection(url);
    await before.queueDeclare(queue);
    const publisher = before.createPublisher({ confirm: true });
    await publisher.send({ routingKey: 'kept', durable: true }, 'mail');
    // RabbitMQ 3.10 forgets one queue in twenty when it is killed just after it made the queue.
    await eventually(async () => assert.equal(await countedMessages(broker, url), 1), 30_000);
    await broker.kill();
  }
  await broker.start();
  await using afterwards = await connection(url);
  const message = await afterwards.basicGet({ queue: 'kept', noAck: true });
  assert.equal(message?.body, 'mail');
});

/** By the statistics of the queue, which the broker gathers every five seconds. */
async function countedMessages({ managementUrl }: Broker, vhostUrl: string): Promise<number> {
  const { origin, username, password } = new URL(managementUrl);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const queue = `${origin}/api/queues${new URL(vhostUrl).pathname}/kept`;
  const response = await fetch(queue, { headers: { authorization } });
  return ((await response.json()) as { messages: number }).messages;
}

/** With a heartbeat by which it notices within seconds that a broker says nothing. */
async function connection(url: string): Promise<AsyncDisposable & Connection> {
  const opened = new Connection({ url, heartbeat: 2, acquireTimeout: 20_000 });
  opened.on('error', () => {});
  await opened.onConnect(20_000);
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}
