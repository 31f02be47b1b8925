import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEmbeddedStore } from '../../bin/embedded-store.ts';
import type { ImageEvent } from '../../src/contract/storage.ts';
import { readSettings } from '../../src/settings.ts';
import type { RecordedEvent } from '../../src/storage-service/catalog/catalog.ts';
import { storageServiceSettings } from '../../src/storage-service/config.ts';
import { Outbox } from '../../src/storage-service/outbox.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { eventually } from '../services/data-folder.ts';
import { claimOf, fieldsOf, png, writeCall } from '../suites/storage/drive.ts';
import { temporaryFolder } from './opening.ts';

const log = createLog({
  service: 'test',
  version: '0',
  level: 'ERROR',
  destination: { write() {} },
});

async function opened(dataDir: string) {
  const config = readSettings(storageServiceSettings, { DATA_DIR: dataDir });
  const metrics = new Metrics({ service: 'test', version: '0' });
  const { store, catalog, close } = await openEmbeddedStore(config, '0', log, metrics);
  const create = async () => {
    const data = await png();
    const { value } = await store.createImage(
      fieldsOf({}),
      { ...claimOf(data), data },
      writeCall(),
    );
    return value.id;
  };
  const outbox = (publish: (event: ImageEvent) => Promise<void>) => {
    const ofImage = ({ event }: RecordedEvent) => publish(event as ImageEvent);
    return new Outbox({ catalog, changes: store, publish: ofImage, log });
  };
  return { store, catalog, create, outbox, close };
}

test('events are published after their changes, in order, and once when all goes well', async (t) => {
  const { store, create, outbox, close } = await opened(await temporaryFolder(t));
  t.after(close);
  const published: string[] = [];
  const running = outbox(async (event) => {
    published.push(`${event.data.image_id} ${event.event_type} ${event.data.version}`);
  });
  running.start();
  const id = await create();
  await store.updateImage({ image_id: id, patch: { name: 'New' } }, writeCall());
  await store.deleteImage({ image_id: id }, writeCall());
  const all = [`${id} image.created 1`, `${id} image.updated 2`, `${id} image.deleted 3`];
  await eventually(() => assert.deepEqual(published, all));
  await running.stop();
});

test('what was not published when the service died is published by the next one', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await opened(folder);
  const [one, two] = [await first.create(), await first.create()];
  await first.close();

  const second = await opened(folder);
  t.after(second.close);
  const published: string[] = [];
  let down = true;
  const running = second.outbox(async (event) => {
    if (down && event.data.image_id === two) throw new Error('the hub is away');
    published.push(event.data.image_id);
  });
  running.start();
  await eventually(() => assert.deepEqual(published, [one]));
  down = false;
  // At least once: the first of the batch comes again with the second.
  await eventually(() => assert.deepEqual(published, [one, one, two]));
  await running.stop();
  assert.deepEqual(await second.catalog.unpublishedEvents(10), []);
});
