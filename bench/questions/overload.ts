import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AskedCatalog } from '../catalog/asked-catalog.ts';
import { NAMED_QUERIES } from '../catalog/queries.ts';
import { imageForm } from '../images/image-form.ts';
import { distinct, photograph } from '../images/photographs.ts';
import { type Answered, HttpClient } from '../measure/http-client.ts';
import { residentBytes } from '../measure/process-tree.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';
import { percentile } from '../measure/statistics.ts';

const IMAGES = 1_000;
const CONNECTIONS = 200;
/** Cold code answers a third as fast. */
const WARM_UP_SECONDS = 5;
const SECONDS = 60;
const UPLOADED = 20;
const HEALTHY_MAX_MS = 5_000;
const PICTURE = { width: 800, height: 600, bytes: 100_000, seed: 1 };

/** Of a hundred requests, so many; and the promise about each, in milliseconds. */
const MIX = {
  lists: { share: 45, promisedMs: 50 },
  metadata: { share: 40, promisedMs: 100 },
  contents: { share: 10, promisedMs: 100 },
  uploads: { share: 5, promisedMs: 2_000 },
};
type Kind = keyof typeof MIX;

export const overload: Question = {
  name: 'overload',
  asks: `${CONNECTIONS} connections that ask all-in-one again as soon as they are answered`,
  maxMs: 5 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-overload-'));
  await using catalog = await AskedCatalog.open(IMAGES, folder.path, run, {});
  const { service } = catalog;
  using client = new HttpClient(CONNECTIONS, run.signal);
  const jpeg = await photograph(PICTURE);
  const ask = await asking(catalog, client, jpeg);

  const before = residentBytes(service.pid).all;
  const served: Record<Kind, number[]> = { lists: [], metadata: [], contents: [], uploads: [] };
  let refused = 0;
  const wrong = new Map<string, number>();
  const late = monitorEventLoopDelay({ resolution: 1 });
  late.enable();
  const begin = performance.now() + WARM_UP_SECONDS * 1000;
  const end = begin + SECONDS * 1000;
  let index = 0;
  const connection = async () => {
    while (performance.now() < end) {
      const kind = kindOf(index);
      const { status, headers, ms } = await ask[kind](index++);
      if (performance.now() < begin) continue;
      if (status < 300) served[kind].push(ms);
      else if (status === 503 && headers['retry-after']) refused += 1;
      else wrong.set(`${kind} ${status}`, (wrong.get(`${kind} ${status}`) ?? 0) + 1);
    }
  };
  run.progress(`${CONNECTIONS} connections, for ${WARM_UP_SECONDS + SECONDS} s`);
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  late.disable();
  const after = residentBytes(service.pid).all;
  const healthyMs = await healthy(service.url, client);

  const all = Object.values(served).reduce((sum, { length }) => sum + length, 0);
  const of = (what: string, ms: number[], share: number): Finding => ({
    what: `${what} that were served: p${share * 100}`,
    unit: 'ms',
    ours: percentile(ms, share),
  });
  const kinds = Object.entries(served) as [Kind, number[]][];
  return {
    findings: [
      ...kinds.flatMap(([kind, ms]) => [
        of(kind, ms, 0.5),
        of(kind, ms, 0.95),
        {
          ...of(kind, ms, 0.99),
          target: { of: 'ours', atMost: MIX[kind].promisedMs } as const,
        },
      ]),
      { what: 'served', unit: '/s', ours: all / SECONDS },
      { what: 'refused by 503, with Retry-After', unit: '/s', ours: refused / SECONDS },
      {
        what: 'other answers',
        unit: '',
        ours: [...wrong.values()].reduce((sum, count) => sum + count, 0),
        target: { of: 'ours', atMost: 0 },
      },
      {
        what: 'until healthy again',
        unit: 'ms',
        ours: healthyMs,
        target: { of: 'ours', atMost: HEALTHY_MAX_MS },
      },
    ],
    notes: [
      `Of ${SECONDS} s, after ${WARM_UP_SECONDS} s of the same. The service has ${IMAGES} images, and this client asks on the same cores; of a hundred requests are ${kinds.map(([kind]) => `${MIX[kind].share} ${kind}`).join(', ')} (of ${Math.round(jpeg.length / 1000)} kB).`,
      `The client itself was late by ${(late.percentile(50) / 1e6).toFixed(1)} ms at p50 and ${(late.percentile(99) / 1e6).toFixed(1)} ms at p99, which is in all the times.`,
      `Memory of the service was ${(before / 1e6).toFixed(0)} MB before and ${(after / 1e6).toFixed(0)} MB after.`,
      ...(wrong.size > 0 ? [`Other answers: ${JSON.stringify([...wrong])}.`] : []),
    ],
  };
}

/** A request of each kind. */
async function asking(
  catalog: AskedCatalog,
  client: HttpClient,
  jpeg: Buffer,
): Promise<Record<Kind, (index: number) => Promise<Answered>>> {
  const images = `${catalog.service.url}/api/v2/images`;
  const upload = () => client.ask(images, imageForm(distinct(jpeg)));
  const contents: string[] = [];
  while (contents.length < UPLOADED) {
    const { body } = await upload();
    contents.push(`${catalog.service.url}${JSON.parse(body.toString()).content.url}`);
  }
  const lists: string[] = [];
  for (const query of NAMED_QUERIES) lists.push(...(await catalog.instancesOf(query)).urls);
  const ids = await catalog.ids();
  const one = (of: readonly string[], index: number) => of[index % of.length]!;
  return {
    lists: (index) => client.ask(`${catalog.service.url}${one(lists, index)}`),
    metadata: (index) => client.ask(`${images}/${one(ids, index)}`),
    contents: (index) => client.ask(one(contents, index)),
    uploads: upload,
  };
}

/** By steps of 37, which take every place of a hundred once, so that the kinds alternate. */
function kindOf(index: number): Kind {
  let place = (index * 37) % 100;
  for (const [kind, { share }] of Object.entries(MIX)) {
    if (place < share) return kind as Kind;
    place -= share;
  }
  throw new Error('The shares are less than a hundred.');
}

async function healthy(url: string, client: HttpClient): Promise<number> {
  const started = performance.now();
  for (;;) {
    const { body } = await client.ask(`${url}/health`);
    const ms = performance.now() - started;
    if (ms > HEALTHY_MAX_MS || JSON.parse(body.toString()).status === 'healthy') return ms;
  }
}

if (import.meta.main) await answer([overload]);
