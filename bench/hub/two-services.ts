import { setTimeout as sleep } from 'node:timers/promises';
import { HttpClient } from '../measure/http-client.ts';
import { cpuSeconds } from '../measure/process-tree.ts';
import type { Run } from '../measure/question.ts';
import { type Served, serveCommand } from '../measure/served-process.ts';

const JOIN_MAX_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** The Image Service, with what stands behind it; `pid` is its own. */
export type TwoServices = Served & {
  storageUrl: string;
  /** Of both and the decoder, so far. */
  cpuSeconds(): number;
  /** Takes the durations that the Storage Service logged of its operations since the last call. */
  operationsMs(): number[];
};

/** Both services as processes of their own, joined by that hub, over that data folder. */
export async function serveTwoServices(
  dataDir: string,
  hubUrl: string,
  run: Run,
): Promise<TwoServices> {
  await using closing = new AsyncDisposableStack();
  let durations: number[] = [];
  const env = { MESSAGE_HUB_URL: hubUrl, DATA_DIR: dataDir };
  const storage = await serveCommand('storage-service', run, env, ({ message, duration_ms }) => {
    if (message === 'storage operation' && duration_ms !== undefined) durations.push(duration_ms);
  });
  closing.use(storage);
  const images = await serveCommand('image-service', run, {
    MESSAGE_HUB_URL: hubUrl,
    STORAGE_SERVICE_URL: storage.url,
  });
  closing.use(images);
  await joined(images, run.signal);
  const opened = closing.move();
  return {
    url: images.url,
    pid: images.pid,
    storageUrl: storage.url,
    cpuSeconds: () => cpuSeconds(images.pid) + cpuSeconds(storage.pid),
    operationsMs() {
      const taken = durations;
      durations = [];
      return taken;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Both listen before they have found each other. */
async function joined({ url }: Served, signal: AbortSignal): Promise<void> {
  using client = new HttpClient(1, signal);
  const until = performance.now() + JOIN_MAX_MS;
  for (;;) {
    const { status, body } = await client.ask(`${url}/api/v2/images?limit=1`);
    if (status === 200) return;
    if (performance.now() > until) throw new Error(`The services do not join: ${status} ${body}`);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}
