import { after } from 'node:test';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { joinStorage } from '../services/joined-storage.ts';
import { storageSuite } from '../suites/storage-suite.ts';

const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());

storageSuite('RemoteStorage over a hub in memory', async () => {
  const broker = new MemoryBroker();
  const { storage } = closing.use(await joinStorage((appId) => broker.hub(appId)));
  return storage;
});

const url = process.env.RABBITMQ_URL;
storageSuite('RemoteStorage over RabbitMQ', async () => {
  const log = createLog({ service: 'test', version: '0', level: 'ERROR' });
  const hubOf = (appId: string) => new AmqpHub({ url: url!, appId, log });
  const { storage } = closing.use(await joinStorage(hubOf));
  return storage;
});
