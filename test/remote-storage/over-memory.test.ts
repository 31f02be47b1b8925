import { after } from 'node:test';
import { MemoryBroker } from '../../src/hub/memory-hub.ts';
import { joinStorage } from '../services/joined-storage.ts';
import { storageSuite } from '../suites/storage-suite.ts';

const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());

storageSuite('RemoteStorage over a hub in memory', async () => {
  const broker = new MemoryBroker();
  const { storage } = closing.use(await joinStorage((appId) => broker.hub(appId)));
  return storage;
});
