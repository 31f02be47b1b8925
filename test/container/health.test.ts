import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../services/data-folder.ts';
import { type Container, withPodman } from '../services/podman.ts';
import { settledQueue } from '../services/settled-queue.ts';
import { withBroker } from '../services/with-broker.ts';

/** Two starts of a broker on a machine that is busy. */
const RUN_MAX_MS = 200_000;
const CHANGE_MAX_MS = 60_000;

await withPodman((podman) =>
  withBroker(
    (broker) => {
      test('the health check of the image follows the broker as it goes and comes back', {
        timeout: RUN_MAX_MS,
      }, async () => {
        // The broker listens on this machine alone, and nothing of its network can be published.
        const start = async (command: string, port: number, env: Record<string, string>) => {
          const all = { HOST: '127.0.0.1', PORT: `${port}`, MESSAGE_HUB_URL: broker.url, ...env };
          const variables = Object.entries(all).map(([name, value]) => `--env=${name}=${value}`);
          return podman.start(['--network=host', '--cap-drop=all', ...variables], command);
        };
        const [storagePort, imagePort] = [await freePort(), await freePort()];
        const storage = await start('storage-service', storagePort, {});
        const images = await start('image-service', imagePort, {
          STORAGE_SERVICE_URL: `http://127.0.0.1:${storagePort}`,
        });
        await becomes(storage, true);
        await becomes(images, true);
        await settledQueue(performance.now());
        await broker.kill();
        await becomes(images, false);
        // Its own state is well, and that is what it is asked for.
        assert.equal(await storage.healthy(), true);
        await broker.start();
        await becomes(images, true);
      });
    },
    { own: true },
  ),
);

function becomes(container: Container, healthy: boolean): Promise<void> {
  return eventually(async () => assert.equal(await container.healthy(), healthy), CHANGE_MAX_MS);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
