import { type Broker, brokerForTests } from './rabbitmq.ts';

/** For `node --test --test-global-setup`: one broker for all files, which find it by environment. */

let broker: Broker | undefined;

export async function globalSetup(): Promise<void> {
  const found = await brokerForTests();
  if ('skip' in found) {
    process.env.RABBITMQ_MISSING = found.skip;
    return;
  }
  broker = found.broker;
  process.env.RABBITMQ_URL = broker.url;
  process.env.RABBITMQ_MANAGEMENT_URL = broker.managementUrl;
}

export async function globalTeardown(): Promise<void> {
  await broker?.stop();
}
