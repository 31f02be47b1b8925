import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { imageForm } from '../images/image-form.ts';
import { photograph } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { processTree, proportionalBytes, residentBytes } from '../measure/process-tree.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';
import { NODE, type Served, serveImages, timed } from '../measure/served-process.ts';
import { alternate, median } from '../measure/statistics.ts';

const ROUNDS = 9;
const SETTLE_MS = 3_000;
/** The decoder goes after 30 s without work. */
const IDLE_MAX_MS = 45_000;
const LOOK_EVERY_MS = 500;
const PHOTOGRAPH = { width: 4000, height: 3000, bytes: 5_000_000, seed: 1 };

export const start: Question = {
  name: 'start',
  asks: 'from the start of the process to its first answer, and memory when there is nothing to do',
  maxMs: 4 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { signal, progress } = run;
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-start-'));
  const dataDir = join(folder.path, 'service');
  const subject = (env?: (round: number) => Record<string, string>) => async (round: number) => {
    progress(`starting, round ${round} of ${ROUNDS}`);
    return firstAnswerMs(dataDir, run, env?.(round));
  };
  const times = await alternate(ROUNDS + 1, {
    warm: subject(),
    cold: subject((round) => ({ NODE_COMPILE_CACHE: join(folder.path, `compiled-${round}`) })),
    node: async () => (await timed(NODE, ['-e', '0'], signal)) * 1000,
  });
  // The first round makes the data folder and fills the compile cache.
  const of = (name: keyof typeof times) => median(times[name].slice(1));
  const peer = { name: 'node -e 0', value: of('node') };
  const against = (ours: number) => ({ ours, peer, ratio: ours / peer.value });
  return {
    findings: [
      {
        what: 'start to first answer',
        unit: 'ms',
        ...against(of('warm')),
        target: { of: 'ours', atMost: 800 },
      },
      { what: 'the same without a compile cache', unit: 'ms', ...against(of('cold')) },
      ...(await idleMemory(dataDir, run)),
    ],
    notes: [
      `Medians of ${ROUNDS} alternating starts over a data folder that is there already.`,
      'Memory is of all processes and threads together; Pss divides shared pages among their users.',
    ],
  };
}

async function firstAnswerMs(
  dataDir: string,
  { signal }: Run,
  env: Record<string, string> = {},
): Promise<number> {
  using client = new HttpClient(1, signal);
  const started = performance.now();
  await using service = await serveImages(dataDir, { signal, profiles: undefined }, env);
  await client.require(200, `${service.url}/api/v2/images`);
  return performance.now() - started;
}

async function idleMemory(dataDir: string, run: Run): Promise<Finding[]> {
  const { signal, progress } = run;
  progress('idle memory');
  await using service = await serveImages(dataDir, run);
  using client = new HttpClient(1, signal);
  await client.require(200, `${service.url}/api/v2/images`);
  await sleep(SETTLE_MS, undefined, { signal });
  const fresh = memoryOf('idle after the start', service);

  const jpeg = await photograph(PHOTOGRAPH);
  await client.require(201, `${service.url}/api/v2/images`, imageForm([jpeg]));
  const until = performance.now() + IDLE_MAX_MS;
  while (processTree(service.pid).length > 1 && performance.now() < until) {
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
  const processes = processTree(service.pid).length;
  return [...fresh, ...memoryOf(`idle after an upload, ${processes} process left`, service)];
}

function memoryOf(what: string, { pid }: Served): Finding[] {
  const megabytes = (bytes: number) => bytes / 1e6;
  return [
    {
      what: `${what}: resident`,
      unit: 'MB',
      ours: megabytes(residentBytes(pid).all),
      target: { of: 'ours', atMost: 180 },
    },
    { what: `${what}: Pss`, unit: 'MB', ours: megabytes(proportionalBytes(pid)) },
  ];
}

if (import.meta.main) await answer([start]);
