import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { openEmbeddedStore } from '../../bin/embedded-store.ts';
import { readSettings } from '../../src/settings.ts';
import { storageServiceSettings } from '../../src/storage-service/config.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { storageSuite } from '../suites/storage-suite.ts';

const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());

storageSuite('Store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  closing.defer(() => rm(folder, { recursive: true }));
  const config = readSettings(storageServiceSettings, { DATA_DIR: folder });
  const log = createLog({ service: 'test', version: '0', level: 'ERROR' });
  const metrics = new Metrics({ service: 'test', version: '0' });
  const { store, close } = await openEmbeddedStore(config, '0.0.0', log, metrics);
  closing.defer(close);
  return store;
});
