import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AskedCatalog, type Instances, UNCACHED } from '../catalog/asked-catalog.ts';
import { durableCreates } from '../catalog/durable-creates.ts';
import { NAMED_QUERIES, OTHER_QUERIES, type Query } from '../catalog/queries.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';
import { alternate, median, medianRatio, percentile } from '../measure/statistics.ts';

const LARGE_IMAGES = 1_000_000;
const SMALL_IMAGES = 1_000;
const ROUNDS = 5;
const REQUESTS_A_ROUND = 200;
const DELETED_IMAGES = 200;

export const catalog: Question = {
  name: 'catalog',
  asks: `lists and searches over HTTP, and durable creates, with ${LARGE_IMAGES} images`,
  maxMs: 20 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { signal, progress } = run;
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-catalog-'));
  const findings: Finding[] = [];
  const fills: string[] = [];
  let path: string;
  {
    await using large = await AskedCatalog.open(LARGE_IMAGES, folder.path, run, UNCACHED);
    await using small = await AskedCatalog.open(SMALL_IMAGES, folder.path, run, UNCACHED);
    path = large.path;
    for (const query of NAMED_QUERIES) {
      progress(query.name);
      const drawn = {
        large: await large.instancesOf(query),
        small: await small.instancesOf(query),
      };
      findings.push(...(await compared(query, large, small, drawn)));
      fills.push(`${query.name} ${fill(drawn.large)} and ${fill(drawn.small)}`);
    }
    findings.push(await metadata(large), await liveness(large));
    await large.delete(DELETED_IMAGES);
    for (const query of OTHER_QUERIES) {
      progress(query.name);
      findings.push(await alone(query, large));
    }
  }
  progress('durable creates');
  const creates = await durableCreates(path, LARGE_IMAGES, signal);
  findings.push({
    what: `durable creates in the catalog alone, ${creates.atOnce} at once`,
    unit: '/s',
    ours: median(creates.creates),
    peer: { name: 'plain durable inserts', value: median(creates.floor) },
    ratio: medianRatio(creates.creates, creates.floor),
    target: { of: 'ours', atLeast: 5_000 },
  });
  findings.push({
    what: 'leases of their bytes, made before, a commit of their own',
    unit: '/s',
    ours: median(creates.leases),
  });
  return {
    findings,
    notes: [
      `One request after the other over one connection, ${REQUESTS_A_ROUND} in each of ${ROUNDS} rounds; of p50 and p99 of the rounds the medians.`,
      'The edge keeps no metadata here (METADATA_CACHE_MB=0), so every list is one of the catalog.',
      `Images on an average page, of ${LARGE_IMAGES} and of ${SMALL_IMAGES}: ${fills.join(', ')}.`,
      `The search segments are merged, as after the sweeper's rounds; ${SMALL_IMAGES} images are paged at a fifth of their depth.`,
      `Creates, of each round: ${creates.creates.map((rate) => rate.toFixed(0)).join(', ')}/s; p99 of one ${creates.p99.toFixed(0)} ms.`,
    ],
  };
}

function fill({ items, urls }: Instances): string {
  return `${Math.round(items)} (${urls.length} different)`;
}

/** A warm-up, then rounds of both sizes. */
async function compared(
  query: Query,
  large: AskedCatalog,
  small: AskedCatalog,
  drawn: Record<'large' | 'small', Instances>,
): Promise<Finding[]> {
  const rounds = await alternate(ROUNDS + 1, {
    large: () => large.ask(drawn.large.urls, REQUESTS_A_ROUND),
    small: () => small.ask(drawn.small.urls, REQUESTS_A_ROUND),
  });
  const of = (size: keyof typeof rounds, share: number) =>
    rounds[size].slice(1).map((times) => percentile(times, share));
  return [
    {
      what: `${query.name}: p50`,
      unit: 'ms',
      ours: median(of('large', 0.5)),
      peer: { name: `with ${SMALL_IMAGES} images`, value: median(of('small', 0.5)) },
      ratio: medianRatio(of('large', 0.5), of('small', 0.5)),
      target: { of: 'ratio', atMost: 2 },
    },
    {
      what: `${query.name}: p99`,
      unit: 'ms',
      ours: median(of('large', 0.99)),
      peer: { name: `with ${SMALL_IMAGES} images`, value: median(of('small', 0.99)) },
      target: { of: 'ours', atMost: 10 },
    },
  ];
}

async function metadata(large: AskedCatalog): Promise<Finding> {
  const urls = (await large.ids()).map((id) => `/api/v2/images/${id}`);
  const { all } = await alternate(ROUNDS + 1, { all: () => large.ask(urls, REQUESTS_A_ROUND) });
  return {
    what: 'metadata of one image: p50',
    unit: 'ms',
    ours: median(all.slice(1).map((times) => percentile(times, 0.5))),
    target: { of: 'ours', atMost: 1 },
  };
}

/** What HTTP and this machine alone cost. */
async function liveness(large: AskedCatalog): Promise<Finding> {
  const rounds = await alternate(ROUNDS + 1, {
    all: () => large.ask(['/health/live'], REQUESTS_A_ROUND),
  });
  return {
    what: 'an answer without the catalog: p99',
    unit: 'ms',
    ours: median(rounds.all.slice(1).map((times) => percentile(times, 0.99))),
  };
}

async function alone(query: Query, large: AskedCatalog): Promise<Finding> {
  const { urls } = await large.instancesOf(query);
  const { all } = await alternate(ROUNDS + 1, { all: () => large.ask(urls, REQUESTS_A_ROUND / 4) });
  return {
    what: `${query.name}: p99`,
    unit: 'ms',
    ours: median(all.slice(1).map((times) => percentile(times, 0.99))),
    target: { of: 'ours', atMost: 100 },
  };
}

if (import.meta.main) await answer([catalog]);
