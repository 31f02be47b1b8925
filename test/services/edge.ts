import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allInOneSettings } from '../../bin/all-in-one.ts';
import { openEmbeddedStore } from '../../bin/embedded-store.ts';
import type { DependencyHealth } from '../../src/contract/health.ts';
import type { Storage, StorageEvents } from '../../src/contract/storage.ts';
import { buildServer } from '../../src/image-service/server.ts';
import { type Environment, readSettings } from '../../src/settings.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { RunningService } from './service.ts';

export type EdgeOptions = {
  /** Puts something between the HTTP edge and the Store, such as a delay or a fault. */
  around?: (store: Storage) => Partial<Storage>;
  /** Instead of the Store's. */
  events?: StorageEvents;
  messageHub?: () => Promise<DependencyHealth>;
  settings?: Environment;
};

/** The HTTP edge over a Store whose answers the test delays or spoils. */
export async function startEdge(options: EdgeOptions): Promise<RunningService> {
  await using closing = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'image-service-'));
  closing.defer(() => rm(dataDir, { recursive: true, force: true }));
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  const log = createLog({ service: 'test', version: '0', level: 'INFO', destination });
  const config = readSettings(allInOneSettings, { DATA_DIR: dataDir, ...options.settings });
  const metrics = new Metrics({ service: 'test', version: '0' });
  const opened = await openEmbeddedStore(config, '0', log, metrics);
  closing.defer(opened.close);
  const server = await buildServer({
    config,
    storage: withChanges(opened.store, options.around?.(opened.store) ?? {}),
    events: options.events ?? opened.store,
    log,
    metrics,
    version: '0',
    messageHub: options.messageHub ?? (async () => ({ status: 'healthy', latency_ms: 0 })),
  });
  closing.defer(() => server.close());
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const running = closing.move();
  const close = () => running.disposeAsync();
  const port = Number(new URL(url).port);
  return { url, port, log: lines, dataDir, close, [Symbol.asyncDispose]: close };
}

function withChanges(store: Storage, changes: Partial<Storage>): Storage {
  return new Proxy(store, {
    get(target, name) {
      const call = Reflect.get(changes, name) ?? Reflect.get(target, name);
      return typeof call === 'function' ? call.bind(target) : call;
    },
  });
}
