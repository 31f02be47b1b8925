import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { create } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { isInstalled, metricsOf, valueAt } from '../services/metrics.ts';
import { startImages, startStorage } from '../services/two-services.ts';
import { withBroker } from '../services/with-broker.ts';

/** The way to a broker, which can be closed. */
async function startWay(brokerPort: number) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(brokerPort, '127.0.0.1');
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}));
    client.pipe(upstream).pipe(client);
  });
  const open = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  const port = await open(0);
  return { port, open: () => open(port), close, [Symbol.asyncDispose]: close };
}

await withBroker((broker) => {
  test('both services count messages, and tell when the broker is away and when it is back', async (t) => {
    const address = new URL(await broker.vhost());
    await using way = await startWay(Number(address.port));
    address.port = String(way.port);
    const hub = { MESSAGE_HUB_URL: address.href };
    await using storage = await startStorage(hub);
    await using images = await startImages({ ...hub, STORAGE_SERVICE_URL: storage.url });
    const list = () => fetch(`${images.url}/api/v2/images`);
    await eventually(async () => assert.equal((await list()).status, 200), 20_000);
    await create((path, init) => fetch(images.url + path, init));

    const request = 'dnd_hub_messages_total{outcome="sent",event_type="storage.request"}';
    const answer = 'dnd_hub_messages_total{outcome="sent",event_type="storage.response"}';
    const asked = await valueAt(images.url, request);
    assert.ok(asked! >= 2, `${asked}`);
    assert.ok((await valueAt(storage.url, answer))! >= 2);
    const replies = 'dnd_hub_reply_duration_seconds_count{operation="create_image"}';
    assert.equal(await valueAt(images.url, replies), 1);
    assert.equal(await valueAt(images.url, 'dnd_hub_in_flight{what="calls"}'), 0);
    const made =
      'dnd_storage_operation_duration_seconds_count{operation="create_image",outcome="success"}';
    assert.equal(await valueAt(storage.url, made), 1);
    await eventually(async () => {
      assert.equal(await valueAt(storage.url, 'dnd_outbox_oldest_event_age_seconds'), 0);
    });

    const connected = async (expected: number) => {
      for (const { url } of [images, storage]) {
        assert.equal(await valueAt(url, 'dnd_hub_connected'), expected);
      }
    };
    await connected(1);
    await way.close();
    await eventually(() => connected(0), 5_000);
    const away = await list();
    assert.equal(away.status, 503);
    await way.open();
    await eventually(() => connected(1), 30_000);
    await eventually(async () => assert.equal((await list()).status, 200), 10_000);

    if (!(await isInstalled('promtool'))) return t.diagnostic('promtool is not installed');
    for (const { url } of [images, storage]) {
      const checking = promisify(execFile)('promtool', ['check', 'metrics'], { timeout: 20_000 });
      checking.child.stdin!.end(await metricsOf(url));
      const { stdout, stderr } = await checking;
      assert.equal(stdout + stderr, '');
    }
  });
});
