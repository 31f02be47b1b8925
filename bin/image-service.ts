import packageJson from '../package.json' with { type: 'json' };
import { AmqpHub } from '../src/hub/amqp/amqp-hub.ts';
import { hubSettings } from '../src/hub/config.ts';
import { imageServiceSettings } from '../src/image-service/config.ts';
import { buildServer } from '../src/image-service/server.ts';
import { contentSettings, remoteStorageSettings } from '../src/remote-storage/config.ts';
import { ContentClient } from '../src/remote-storage/content-client.ts';
import { RemoteEvents } from '../src/remote-storage/events.ts';
import { hubHealth, requireContent, storageHealth } from '../src/remote-storage/health.ts';
import { RemoteStorage } from '../src/remote-storage/remote-storage.ts';
import { Requester } from '../src/remote-storage/requester.ts';
import { readSettings, type Settings } from '../src/settings.ts';
import { exportTraces, traceSettings } from '../src/telemetry/exporter.ts';
import { createLog, type Log, logSettings } from '../src/telemetry/log.ts';
import { measuredStorage } from '../src/telemetry/measured-storage.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { addressOf, type RunningService } from './listening.ts';
import { countMessages, measureHub, measureLog } from './measured.ts';
import { runCommand } from './run-command.ts';

/** The Image Service: HTTP, over a Storage Service that it reaches through the Message Hub. */

export const imageServiceCommandSettings = {
  ...hubSettings,
  ...remoteStorageSettings,
  ...contentSettings,
  ...imageServiceSettings,
  ...logSettings,
  ...traceSettings,
};

/** The name of this service in messages. */
const SOURCE_ID = 'image_service';

/** Listens when it answers, whether or not the hub is there. */
export async function startImageService(
  config: Settings<typeof imageServiceCommandSettings>,
  version: string,
  log: Log,
): Promise<RunningService> {
  await using closing = new AsyncDisposableStack();
  closing.defer(await exportTraces(config.tracesEndpoint, { service: SOURCE_ID, version }));
  const metrics = new Metrics({ service: SOURCE_ID, version });
  measureLog(metrics);
  const count = countMessages(log, metrics);
  const hub = new AmqpHub({ url: config.messageHubUrl, appId: SOURCE_ID, log });
  closing.defer(() => hub.close());
  const events = new RemoteEvents(hub, count);
  const contents = new ContentClient(config.storageServiceUrl, config.storageServiceToken);
  closing.defer(() => contents.close());
  const requester = new Requester(hub, SOURCE_ID, count, (...reply) => metrics.reply(...reply));
  closing.defer(() => requester.close());
  const storage = new RemoteStorage(requester, contents);
  closing.defer(
    events.subscribe(
      () => storage.changed(),
      () => storage.changed(),
    ),
  );
  measureHub(metrics, hub, requester);
  const server = await buildServer({
    config,
    storage: measuredStorage(storage, (...call) => metrics.operation(...call)),
    events,
    log,
    metrics,
    version,
    messageHub: () => hubHealth(hub),
    storageHealth: () => storageHealth(contents),
    storageAccess: (call) => requireContent(contents, call),
  });
  closing.defer(() => server.close());
  await server.listen({ host: config.host, port: config.port });
  const running = closing.move();
  return { url: addressOf(server), close: () => running.disposeAsync() };
}

if (import.meta.main) {
  await runCommand({
    usage: 'npm run image-service',
    about: 'Runs the Image Service: HTTP, over a Storage Service that joins the same message hub.',
    settings: imageServiceCommandSettings,
    async start(env) {
      const config = readSettings(imageServiceCommandSettings, env);
      const { version } = packageJson;
      const pretty = process.stdout.isTTY;
      const log = createLog({ service: 'image-service', version, level: config.logLevel, pretty });
      const { url, close } = await startImageService(config, version, log);
      log.info(
        { url, docs: `${url}${config.basePath}/docs`, storage: config.storageServiceUrl },
        'Ready',
      );
      log.warn('visibility is kept but not enforced until access control exists');
      return { log, close };
    },
  });
}
