import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { imageForm } from '../images/image-form.ts';
import { distinct } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { type Carried, openLoop } from '../measure/open-loop.ts';
import { cpuSeconds, machineCpuSeconds } from '../measure/process-tree.ts';
import type { Answer, Finding, Run } from '../measure/question.ts';
import { median, percentile } from '../measure/statistics.ts';
import type { TwoServices } from './two-services.ts';

const SECONDS = 60;
/** At half the rates, so that neither cold code nor a decoder that starts leaves uploads behind. */
const WARM_UP_SECONDS = 10;
const SMALL_PER_SECOND = 20;
const LARGE_PER_SECOND = 1;
const READS_PER_SECOND = 200;
/** More than ever wait, so that no request waits for a connection before it is sent. */
const CONNECTIONS = 10_000;

/** What is promised at the 99th percentile is a third of what was asked for. */
const OPERATION_MS = 100 / 3;
const UPLOAD_MS = 2_000 / 3;
const LIST_MS = 50 / 3;
const ANSWER_MS = 100 / 3;

type Load = { small: readonly Buffer[]; large: readonly Buffer[]; lists: string[]; ids: string[] };

/** Everything at once at fixed rates, whether or not it can be carried. */
export async function promisedLoad(
  services: TwoServices,
  { small, large, lists, ids }: Load,
  { signal, progress }: Run,
): Promise<Answer> {
  progress(`the promised load, for ${SECONDS} s`);
  using client = new HttpClient(CONNECTIONS, signal);
  const images = `${services.url}/api/v2/images`;
  const upload = (jpegs: readonly Buffer[]) => async (index: number) =>
    (await client.ask(images, imageForm(distinct(jpegs[index % jpegs.length]!)))).status === 201;
  const read = (urlOf: (index: number) => string) => async (index: number) =>
    (await client.ask(urlOf(index))).status === 200;
  const offered = (share: number) => ({
    small: { perSecond: share * SMALL_PER_SECOND, job: upload(small) },
    large: { perSecond: share * LARGE_PER_SECOND, job: upload(large) },
    lists: {
      perSecond: (share * READS_PER_SECOND) / 2,
      job: read((index) => `${services.url}${lists[index % lists.length]}`),
    },
    metadata: {
      perSecond: (share * READS_PER_SECOND) / 2,
      job: read((index) => `${images}/${ids[index % ids.length]}`),
    },
  });
  await openLoop(WARM_UP_SECONDS, offered(0.5), signal);
  services.operationsMs();
  services.faults();
  const late = monitorEventLoopDelay({ resolution: 1 });
  late.enable();
  const coresUsed = counting(services);
  const carried = await openLoop(SECONDS, offered(1), signal);
  late.disable();
  const cores = coresUsed();
  const { small: smaller, large: larger, lists: listed, metadata } = carried;
  const failed = Object.values(carried).reduce((sum, each) => sum + each.failed, 0);
  const findings: Finding[] = [
    ...within('storage operations, as logged', services.operationsMs(), OPERATION_MS),
    ...within('5 MB uploads', larger.ms, UPLOAD_MS),
    ...within('lists', listed.ms, LIST_MS),
    ...within('metadata of one image', metadata.ms, ANSWER_MS),
    ...within('1 MB uploads', smaller.ms),
    { what: 'not done as asked', unit: '', ours: failed, target: { of: 'ours', atMost: 0 } },
  ];
  return {
    findings: findings.map((each) => ({ ...each, what: `promised load, ${each.what}` })),
    notes: [
      `The promised load comes at fixed rates for ${SECONDS} s: ${SMALL_PER_SECOND} uploads a second of 1 MB (1600 × 1200 pixels, as smaller photographs have), ${LARGE_PER_SECOND} of 5 MB (12 megapixels), ${READS_PER_SECOND} reads, half of them lists. Times begin when a request was due.`,
      `Of it were carried, a second: ${rate(smaller)} uploads of 1 MB, ${rate(larger)} of 5 MB, ${rate(listed)} lists, ${rate(metadata)} metadata. Faults that the services logged: ${services.faults()}.`,
      `Cores in use on average: ${cores.services.toFixed(2)} by the two services and the decoder, ${cores.others.toFixed(2)} by the broker and this client, ${cores.strangers.toFixed(2)} by programs that have nothing to do with it, of ${availableParallelism()}.`,
      `The client itself was late by ${(late.percentile(99) / 1e6).toFixed(1)} ms at p99, which is in all the times but those of the storage operations.`,
    ],
  };
}

function within(what: string, ms: readonly number[], atMost?: number): Finding[] {
  const p99: Finding = { what: `${what}: p99`, unit: 'ms', ours: percentile(ms, 0.99) };
  if (atMost !== undefined) p99.target = { of: 'ours', atMost: Math.floor(atMost * 10) / 10 };
  return [p99, { what: `${what}: p50`, unit: 'ms', ours: median(ms) }];
}

function rate({ perSecond }: Carried): string {
  return perSecond.toFixed(1);
}

/** Seconds of CPU for each second until it is called. */
function counting(services: TwoServices) {
  const now = () => [services.cpuSeconds(), cpuSeconds(process.pid), machineCpuSeconds()] as const;
  const before = now();
  const begin = performance.now();
  return () => {
    const seconds = (performance.now() - begin) / 1000;
    const [ours, all, machine] = now().map((each, nth) => (each - before[nth]!) / seconds) as [
      number,
      number,
      number,
    ];
    return { services: ours, others: all - ours, strangers: machine - all };
  };
}
