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
  /** Tells and forgets what they logged of requests and operations that did not succeed. */
  faults(): string;
};

/** Both services as processes of their own, joined by that hub, over that data folder; settings of the edge. */
export async function serveTwoServices(
  dataDir: string,
  hubUrl: string,
  run: Run,
  edge: Record<string, string> = {},
): Promise<TwoServices> {
  await using closing = new AsyncDisposableStack();
  let durations: number[] = [];
  const env = { MESSAGE_HUB_URL: hubUrl, DATA_DIR: dataDir };
  const faults = new Map<string, number>();
  const fault = (what: string) => faults.set(what, (faults.get(what) ?? 0) + 1);
  const storage = await serveCommand('storage-service', run, env, (entry) => {
    const { message, outcome, duration_ms } = entry;
    if (message === 'storage operation' && duration_ms !== undefined) durations.push(duration_ms);
    if (outcome !== undefined && outcome !== 'success') fault(outcome);
  });
  closing.use(storage);
  const imagesEnv = { ...edge, MESSAGE_HUB_URL: hubUrl, STORAGE_SERVICE_URL: storage.url };
  const images = await serveCommand('image-service', run, imagesEnv, ({ status = 0 }) => {
    if (status >= 400) fault(String(status));
  });
  closing.use(images);
  await joined(images, run.signal);
  faults.clear();
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
    faults() {
      const counts = [...faults].map(([what, count]) => `${what} (${count})`);
      faults.clear();
      return counts.join(', ') || 'none';
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
