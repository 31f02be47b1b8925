import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { hubSuite } from '../suites/hub-suite.ts';

hubSuite('MemoryHub', async () => {
  const broker = new MemoryBroker();
  return {
    hub: async (appId) => broker.hub(appId),
    async [Symbol.asyncDispose]() {},
  };
});
