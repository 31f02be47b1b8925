import { after } from 'node:test';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { joinStorage } from '../services/joined-storage.ts';
import { withBroker } from '../services/with-broker.ts';
import { storageSuite } from '../suites/storage-suite.ts';

const log = createLog({ service: 'test', version: '0', level: 'ERROR' });

await withBroker((broker) => {
  const closing = new AsyncDisposableStack();
  after(() => closing.disposeAsync());
  storageSuite('RemoteStorage over RabbitMQ', async () => {
    const url = await broker.vhost();
    const { storage } = closing.use(await joinStorage((appId) => new AmqpHub({ url, appId, log })));
    return storage;
  });
});
