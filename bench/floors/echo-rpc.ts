import { Connection } from 'rabbitmq-client';
import { REQUEST_QUEUE } from '../../src/contract/messages.ts';
import { declareRequests } from '../../src/hub/amqp/topology.ts';

/**
 * What an answer over the hub costs at the least: requests come from the queue and with the
 * promises that ours has, and go back as they are. The answer is confirmed before the request is
 * acknowledged.
 *
 *   echo-rpc.ts AMQP_URL
 */

const url = process.argv[2]!;
const connection = new Connection({ url, connectionName: 'echo' });
connection.on('error', (error) => console.error(error.message));
const channel = await connection.acquire();
await channel.confirmSelect();
await declareRequests(channel);
await channel.basicConsume({ queue: REQUEST_QUEUE }, async (message) => {
  const { messageId, replyTo, deliveryTag, body } = message;
  await channel.basicPublish({ routingKey: replyTo!, messageId: messageId!, durable: true }, body);
  channel.basicAck({ deliveryTag });
});
// Without the password that is in the address.
console.log(JSON.stringify({ url: new URL(url).pathname }));

process.once('SIGTERM', async () => {
  await channel.close();
  await connection.close();
});
