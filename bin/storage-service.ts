import packageJson from '../package.json' with { type: 'json' };
import { AmqpHub } from '../src/hub/amqp/amqp-hub.ts';
import { hubSettings } from '../src/hub/config.ts';
import { contentSettings } from '../src/remote-storage/config.ts';
import { buildContentServer } from '../src/remote-storage/content-server.ts';
import { sendEvent } from '../src/remote-storage/events.ts';
import { stateHealth, stateReadiness } from '../src/remote-storage/health.ts';
import { Responder } from '../src/remote-storage/responder.ts';
import { sending } from '../src/remote-storage/sending.ts';
import { readSettings, type Settings } from '../src/settings.ts';
import { listenSettings, storageServiceSettings } from '../src/storage-service/config.ts';
import { Outbox } from '../src/storage-service/outbox.ts';
import { exportTraces, traceSettings } from '../src/telemetry/exporter.ts';
import { createLog, type Log, logSettings } from '../src/telemetry/log.ts';
import { measuredStorage } from '../src/telemetry/measured-storage.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { addressOf, type RunningService } from './listening.ts';
import { countMessages, measureHub, measureLog, measureOutbox } from './measured.ts';
import { runCommand } from './run-command.ts';

/** The Storage Service: the state, asked through the Message Hub, and its content endpoint. */

export const storageServiceCommandSettings = {
  ...hubSettings,
  ...contentSettings,
  ...storageServiceSettings,
  ...listenSettings,
  ...logSettings,
  ...traceSettings,
};

/** The name of this service in messages. */
const SOURCE_ID = 'storage_service';

/** Listens when it answers, whether or not the hub is there. */
export async function startStorageService(
  config: Settings<typeof storageServiceCommandSettings>,
  version: string,
  log: Log,
): Promise<RunningService & { failed: Promise<Error> }> {
  await using closing = new AsyncDisposableStack();
  closing.defer(await exportTraces(config.tracesEndpoint, { service: SOURCE_ID, version }));
  const failure = Promise.withResolvers<Error>();
  const metrics = new Metrics({ service: SOURCE_ID, version });
  measureLog(metrics);
  const count = countMessages(log, metrics);
  const opened = await openEmbeddedStore(config, version, log, metrics);
  const { store, catalog, sweeper, close } = opened;
  closing.defer(close);
  // Not the bytes that wait for their image: who sent them to the process before may still claim them.
  await sweeper.sweepNow();
  const hub = new AmqpHub({ url: config.messageHubUrl, appId: SOURCE_ID, log });
  closing.defer(() => hub.close());
  const outbox = new Outbox({
    catalog,
    changes: store,
    publish: (recorded, signal) => sending(hub, signal, () => sendEvent(hub, SOURCE_ID, recorded)),
    log,
  });
  measureOutbox(metrics, catalog);
  measureHub(metrics, hub);
  outbox.start();
  closing.defer(() => outbox.stop());
  const storage = measuredStorage(store, (...call) => metrics.operation(...call));
  const server = buildContentServer({
    storage,
    token: config.storageServiceToken,
    health: () => stateHealth(store, hub, version),
    readiness: () => stateReadiness(store),
    log,
    metrics,
  });
  closing.defer(() => server.close());
  await server.listen({ host: config.host, port: config.port });
  // Last: bytes can be sent before the first request that claims them is taken.
  const parts = { hub, storage, sourceId: SOURCE_ID, log, count };
  const responder = new Responder(parts, failure.resolve);
  closing.defer(() => responder.close());
  const running = closing.move();
  return {
    url: addressOf(server),
    failed: failure.promise,
    close: () => running.disposeAsync(),
  };
}

if (import.meta.main) {
  await runCommand({
    usage: 'npm run storage-service',
    about: 'Runs the Storage Service: keeps images, takes requests from the message hub.',
    settings: storageServiceCommandSettings,
    async start(env) {
      const config = readSettings(storageServiceCommandSettings, env);
      const { version } = packageJson;
      const pretty = process.stdout.isTTY;
      const log = createLog({
        service: 'storage-service',
        version,
        level: config.logLevel,
        pretty,
      });
      const { url, failed, close } = await startStorageService(config, version, log);
      log.info({ url, data_dir: config.dataDir }, 'Ready');
      return { log, close, failed };
    },
  });
}
