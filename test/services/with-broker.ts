import { after, test } from 'node:test';
import { type Broker, brokerForTests } from './rabbitmq.ts';

/** Runs the tests with a real broker; without any it says why they are skipped. */
export async function withBroker(
  tests: (broker: Broker) => void,
  options?: { own?: boolean },
): Promise<void> {
  const found = await brokerForTests(options);
  if ('skip' in found) {
    test('with RabbitMQ', { skip: found.skip }, () => {});
    return;
  }
  after(() => found.broker.stop());
  tests(found.broker);
}
