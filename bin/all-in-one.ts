import { styleText } from 'node:util';
import packageJson from '../package.json' with { type: 'json' };
import { imageServiceSettings } from '../src/image-service/config.ts';
import { buildServer } from '../src/image-service/server.ts';
import { readSettings, type Settings } from '../src/settings.ts';
import { storageServiceSettings } from '../src/storage-service/config.ts';
import { exportTraces, traceSettings } from '../src/telemetry/exporter.ts';
import { createLog, type Log, logSettings } from '../src/telemetry/log.ts';
import { measuredStorage } from '../src/telemetry/measured-storage.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { addressOf, type RunningService } from './listening.ts';
import { measureLog } from './measured.ts';
import { runCommand } from './run-command.ts';

/** Both services in one process, without a hub: SQLite and files in one data folder. */

export const allInOneSettings = {
  ...imageServiceSettings,
  ...storageServiceSettings,
  ...logSettings,
  ...traceSettings,
};

/** Listens when it answers. `close` finishes what runs and closes in reverse order of opening. */
export async function startAllInOne(
  config: Settings<typeof allInOneSettings>,
  version: string,
  log: Log,
): Promise<RunningService> {
  await using closing = new AsyncDisposableStack();
  closing.defer(await exportTraces(config.tracesEndpoint, { service: 'all_in_one', version }));
  const metrics = new Metrics({ service: 'all_in_one', version });
  measureLog(metrics);
  const { store, sweeper, close } = await openEmbeddedStore(config, version, log, metrics);
  closing.defer(close);
  // Whoever was about to claim them was the process before this one.
  await sweeper.releaseUploads();
  const messageHub = async () =>
    ({ status: 'healthy', latency_ms: 0, mode: 'in_process' }) as const;
  const server = await buildServer({
    config,
    storage: measuredStorage(store, (...call) => metrics.operation(...call)),
    events: store,
    log,
    metrics,
    version,
    messageHub,
  });
  closing.defer(() => server.close());
  await server.listen({ host: config.host, port: config.port });
  const running = closing.move();
  return { url: addressOf(server), close: () => running.disposeAsync() };
}

if (import.meta.main) {
  await runCommand({
    usage: 'npm start',
    about: 'Runs the whole image service in one process.',
    settings: allInOneSettings,
    async start(env) {
      const config = readSettings(allInOneSettings, env);
      const { version } = packageJson;
      const pretty = process.stdout.isTTY;
      const log = createLog({ service: 'all-in-one', version, level: config.logLevel, pretty });
      const service = await startAllInOne(config, version, log);
      const { url } = service;
      const docs = `${url}${config.basePath}/docs`;
      log.info({ url, docs, data_dir: config.dataDir }, 'Ready');
      log.warn('visibility is kept but not enforced until access control exists');
      if (pretty) console.log(styleText('bold', `\n  Open ${docs}\n`));
      return { log, close: () => service.close() };
    },
  });
}
