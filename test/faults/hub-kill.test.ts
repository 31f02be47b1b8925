import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImagePage } from '../../src/contract/image.ts';
import { png } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import type { Broker } from '../services/rabbitmq.ts';
import { runVerify, ServiceProcess } from '../services/service-process.ts';
import { settledQueue } from '../services/settled-queue.ts';
import { withBroker } from '../services/with-broker.ts';
import { countFrom, seeded } from './seeded.ts';

const SEED = countFrom('SEED', Date.now() % 1_000_000);
/** Of each: the broker, the storage service, the image service; the last two are also paused. */
const ROUNDS = countFrom('ROUNDS', 2);
const FILES = 150 * ROUNDS;
const PAUSE_MS = countFrom('PAUSE_MS', 3_000);
/** Out of the way of the ports that the system gives to outgoing connections. */
const PORT = 18_000 + (process.pid % 2_000);

await withBroker(
  (broker) => {
    test(`an import goes on while all it needs dies again and again (SEED=${SEED})`, {
      timeout: 120_000 + ROUNDS * 60_000,
    }, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'hub-kill-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const images = join(folder, 'images');
      const data = join(folder, 'data');
      await mkdir(images);
      for (let file = 0; file < FILES; file += 1) {
        await writeFile(join(images, `${file}.png`), await png(24, 24));
      }
      const services = new Services(broker.url, data);
      t.after(() => services.kill());
      await services.start();
      await settledQueue(performance.now());

      const args = ['client/import.ts', images, '--type', 'token', '--theme', 'horror'];
      // A broker may take half a minute to start on a busy machine.
      args.push('--patience', '300');
      const importer = spawn(process.execPath, [...args, '--url', services.url], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [importer.stdout, importer.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          output += text;
        });
      }
      const ended = once(importer, 'close');
      let running = true;
      ended.then(() => {
        running = false;
      });
      await eventually(async () => assert.ok((await everything(services.url)).length > 0));
      for (const fault of faults(services, broker)) {
        if (!running) break;
        await fault();
      }
      const [code] = await ended;
      assert.equal(code, 0, output);

      const found = await everything(services.url);
      assert.equal(found.length, FILES, output);
      assert.equal(new Set(found.map(({ source_id }) => source_id)).size, FILES);
      for (const { content } of found) {
        const answer = await fetch(services.url + content.url);
        assert.equal((await answer.arrayBuffer()).byteLength, content.size_bytes);
      }
      assert.deepEqual(await services.stop(), [0, 0]);
      const verified = await runVerify(data);
      // An upload that was under way at the last kill may have left its file until the next sweep.
      const wrong = verified.output.split('\n').filter((line) => /^\w+: /.test(line));
      assert.deepEqual(
        wrong.filter((line) => !line.startsWith('left_over')),
        [],
      );
    });
  },
  { own: true },
);

/** An Image Service and a Storage Service, each to be killed and started again. */
class Services {
  readonly url = `http://127.0.0.1:${PORT}`;
  readonly #env: { MESSAGE_HUB_URL: string; STORAGE_SERVICE_URL: string };
  readonly #data: string;
  storage!: ServiceProcess;
  images!: ServiceProcess;

  constructor(hub: string, data: string) {
    this.#env = { MESSAGE_HUB_URL: hub, STORAGE_SERVICE_URL: `http://127.0.0.1:${PORT + 1}` };
    this.#data = data;
  }

  async start(): Promise<void> {
    await Promise.all([this.startStorage(), this.startImages()]);
    await eventually(async () => {
      assert.equal((await fetch(`${this.url}/api/v2/images`)).status, 200);
    }, 20_000);
  }

  async startStorage(): Promise<void> {
    const env = { ...this.#env, PORT: `${PORT + 1}` };
    this.storage = new ServiceProcess(this.#data, env, 'bin/storage-service.ts');
    await this.storage.ready;
  }

  async startImages(): Promise<void> {
    const env = { ...this.#env, PORT: `${PORT}` };
    this.images = new ServiceProcess(this.#data, env, 'bin/image-service.ts');
    await this.images.ready;
  }

  stop(): Promise<(number | null)[]> {
    return Promise.all([this.images.stop(), this.storage.stop()]);
  }

  async kill(): Promise<void> {
    await Promise.all([this.images?.kill(), this.storage?.kill()]);
  }
}

/** In an order that the seed chooses, some moments apart. */
function* faults(services: Services, broker: Broker): Iterable<() => Promise<void>> {
  const chance = seeded(SEED);
  const kinds = [
    async () => {
      await services.storage.kill();
      await services.startStorage();
    },
    async () => {
      await services.images.kill();
      await services.startImages();
    },
    async () => {
      await broker.kill();
      await broker.start();
    },
    async () => {
      services.storage.pause();
      await sleep(PAUSE_MS);
      services.storage.resume();
    },
    async () => {
      services.images.pause();
      await sleep(PAUSE_MS);
      services.images.resume();
    },
  ];
  const left = Array.from({ length: ROUNDS }, () => kinds).flat();
  while (left.length > 0) {
    const [fault] = left.splice(chance.below(left.length), 1);
    yield async () => {
      await sleep(chance.below(500));
      await fault!();
    };
  }
}

async function everything(url: string) {
  const items: ImagePage['items'] = [];
  let cursor = '';
  do {
    const query = `limit=200${cursor && `&cursor=${cursor}`}`;
    const page = (await (await fetch(`${url}/api/v2/images?${query}`)).json()) as ImagePage;
    items.push(...page.items);
    cursor = page.next_cursor ?? '';
  } while (cursor);
  return items;
}
