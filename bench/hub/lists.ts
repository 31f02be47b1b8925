import type { AskedCatalog, Instances } from '../catalog/asked-catalog.ts';
import type { Query } from '../catalog/queries.ts';
import { cpuSeconds } from '../measure/process-tree.ts';
import type { Answer, Finding, Run } from '../measure/question.ts';
import { alternate, median, medianRatio, percentile } from '../measure/statistics.ts';
import { installed, load } from '../measure/wrk.ts';
import type { TwoServices } from './two-services.ts';

const ROUNDS = 3;
const REQUESTS_A_ROUND = 200;
const LOAD_ROUNDS = 5;
const LOAD_SECONDS = 3;

export type Drawn = { query: Query; instances: Instances };

/** Lists one at a time through both services, beside the same of an all-in-one over an equal catalog. */
export async function listsAlone(
  split: AskedCatalog<TwoServices>,
  whole: AskedCatalog,
  drawn: readonly Drawn[],
  run: Run,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { query, instances } of drawn) {
    run.progress(`${query.name}, one at a time`);
    const rounds = await alternate(ROUNDS + 1, {
      split: () => split.ask(instances.urls, REQUESTS_A_ROUND),
      whole: () => whole.ask(instances.urls, REQUESTS_A_ROUND),
    });
    const of = (name: keyof typeof rounds, share: number) =>
      median(rounds[name].slice(1).map((times) => percentile(times, share)));
    findings.push({
      what: `${query.name}: p99 (p50 ${of('split', 0.5).toFixed(1)})`,
      unit: 'ms',
      ours: of('split', 0.99),
      peer: { name: `all-in-one (p50 ${of('whole', 0.5).toFixed(1)})`, value: of('whole', 0.99) },
      target: { of: 'ours', atMost: 20 },
    });
  }
  return findings;
}

/** As many as can be answered to 32 connections, all queries in turn; `how` tells of what is kept. */
export async function listsAtOnce(
  split: AskedCatalog<TwoServices>,
  whole: AskedCatalog,
  drawn: readonly Drawn[],
  { signal, progress }: Run,
  how: string,
  atLeast?: number,
): Promise<Answer> {
  if (!(await installed('wrk'))) {
    const note = 'No lists at once: wrk is not installed (Debian: apt install wrk).';
    return { findings: [], notes: [note] };
  }
  split.service.faults();
  const paths = interleaved(drawn.map(({ instances }) => instances.urls));
  const subject =
    (name: string, { service }: AskedCatalog, used: () => number) =>
    async (round: number) => {
      progress(`lists at once, ${name}, round ${round} of ${LOAD_ROUNDS}`);
      const before = used();
      const { perSecond, failed } = await load(service, paths, undefined, LOAD_SECONDS, signal);
      return { perSecond, failed, cpuMs: ((used() - before) * 1000) / (perSecond * LOAD_SECONDS) };
    };
  const measured = await alternate(LOAD_ROUNDS + 1, {
    split: subject('both services', split, () => split.service.cpuSeconds()),
    whole: subject('all-in-one', whole, () => cpuSeconds(whole.service.pid)),
  });
  const compare = (value: 'perSecond' | 'cpuMs') => {
    const of = (name: keyof typeof measured) =>
      measured[name].slice(1).map((round) => round[value]);
    return {
      ours: median(of('split')),
      peer: { name: 'all-in-one', value: median(of('whole')) },
      ratio: medianRatio(of('split'), of('whole')),
    };
  };
  const what = `lists over 32 connections, ${how}`;
  const rate: Finding = { what, unit: '/s', ...compare('perSecond') };
  if (atLeast !== undefined) rate.target = { of: 'ratio', atLeast };
  const findings: Finding[] = [
    rate,
    {
      what: `${what}: failed`,
      unit: '',
      ours: failures(measured.split),
      peer: { name: 'all-in-one', value: failures(measured.whole) },
      target: { of: 'ours', atMost: 0 },
    },
    { what: `${what}: CPU of one, without the broker`, unit: 'ms', ...compare('cpuMs') },
  ];
  return {
    findings,
    notes: [
      `Faults that the services logged at 32 connections, ${how}: ${split.service.faults()}.`,
    ],
  };
}

function failures(rounds: readonly { failed: number }[]): number {
  return rounds.reduce((sum, { failed }) => sum + failed, 0);
}

/** One address of each query after the other, each once, so that none is asked beside an equal one. */
function interleaved(groups: readonly (readonly string[])[]): string[] {
  const longest = Math.max(...groups.map(({ length }) => length));
  const all = Array.from({ length: longest }, (_, nth) =>
    groups.map((urls) => urls[nth % urls.length]!),
  );
  return [...new Set(all.flat())];
}
