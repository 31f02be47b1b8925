import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { withBroker } from '../services/with-broker.ts';
import { hubSuite } from '../suites/hub-suite.ts';

const log = createLog({ service: 'test', version: '0', level: 'ERROR' });

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
});
