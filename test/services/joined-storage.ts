import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStore } from '../../bin/embedded-store.ts';
import type { StorageEvents } from '../../src/contract/storage.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { ContentClient } from '../../src/remote-storage/content-client.ts';
import { buildContentServer } from '../../src/remote-storage/content-server.ts';
import type { Count } from '../../src/remote-storage/count.ts';
import { RemoteEvents, sendEvent } from '../../src/remote-storage/events.ts';
import { RemoteStorage } from '../../src/remote-storage/remote-storage.ts';
import { Requester } from '../../src/remote-storage/requester.ts';
import { Responder } from '../../src/remote-storage/responder.ts';
import { sending } from '../../src/remote-storage/sending.ts';
import { readSettings } from '../../src/settings.ts';
import { storageServiceSettings } from '../../src/storage-service/config.ts';
import { Outbox } from '../../src/storage-service/outbox.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

type Joined = AsyncDisposable & {
  storage: RemoteStorage & StorageEvents;
  /** Of the content endpoint. */
  url: string;
  dataDir: string;
  /** What was counted, `what eventType`. */
  counted: string[];
};

/** A Store and a RemoteStorage over it, in one process, joined by two hubs of one broker. */
export async function joinStorage(hubOf: (appId: string) => Hub, token: string | null = null) {
  await using closing = new AsyncDisposableStack();
  const counted: string[] = [];
  const count: Count = (what, type) => counted.push(`${what} ${type}`);
  const folder = await mkdtemp(join(tmpdir(), 'joined-storage-'));
  closing.defer(() => rm(folder, { recursive: true, force: true }));
  const config = readSettings(storageServiceSettings, { DATA_DIR: folder });
  const log = createLog({ service: 'test', version: '0', level: 'ERROR' });
  const metrics = new Metrics({ service: 'test', version: '0' });
  const { store, catalog, close } = await openEmbeddedStore(config, '0.0.0', log, metrics);
  closing.defer(close);

  const behind = hubOf('storage_service');
  closing.defer(() => behind.close());
  const outbox = new Outbox({
    catalog,
    changes: store,
    publish: (event, signal) => sending(behind, signal, () => sendEvent(behind, 'test', event)),
    log,
  });
  outbox.start();
  closing.defer(() => outbox.stop());
  const health = async () => ({ healthy: true, body: { status: 'healthy' } });
  const server = buildContentServer({ storage: store, token, health, log, metrics });
  closing.defer(() => server.close());
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const parts = { hub: behind, storage: store, sourceId: 'test', log, count };
  const responder = new Responder(parts, (error) => {
    throw error;
  });
  closing.defer(() => responder.close());

  const front = hubOf('image_service');
  closing.defer(() => front.close());
  const contents = new ContentClient(url, token);
  closing.defer(() => contents.close());
  const requester = new Requester(front, 'test', count);
  closing.defer(() => requester.close());
  const events = new RemoteEvents(front, count);
  await Promise.all([behind, front].map((hub) => hub.connect(AbortSignal.timeout(10_000))));
  const remote = new RemoteStorage(requester, contents);
  const subscribe: StorageEvents['subscribe'] = (...listeners) => events.subscribe(...listeners);
  const opened = closing.move();
  return {
    storage: Object.assign(remote, { subscribe, heard: true }),
    url,
    dataDir: folder,
    counted,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  } satisfies Joined;
}
