import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { imageForm } from '../images/image-form.ts';
import { distinct, photograph } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { residentBytes } from '../measure/process-tree.ts';
import { type Answer, answer, type Question, type Run } from '../measure/question.ts';
import { serveImages } from '../measure/served-process.ts';
import { inParallel, median } from '../measure/statistics.ts';

const UPLOADS = 20;
const ROUNDS = 3;
const SAMPLE_EVERY_MS = 50;
/** For the garbage of the warm-up. */
const SETTLE_MS = 2_000;
/** 12 megapixels cannot fill 25 MB: a larger photograph. */
const PHOTOGRAPH = { width: 8_400, height: 6_300, bytes: 25_000_000, seed: 1 };

export const memory: Question = {
  name: 'memory',
  asks: `how far the memory of the service grows while ${UPLOADS} uploads of 25 MB run at once`,
  maxMs: 5 * 60_000,
  answer: measure,
};

type Round = { before: Resident; peak: Resident; seconds: number };
type Resident = ReturnType<typeof residentBytes>;

async function measure(run: Run): Promise<Answer> {
  run.progress('making a photograph');
  const jpeg = await photograph(PHOTOGRAPH);
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    run.progress(`round ${round} of ${ROUNDS}`);
    rounds.push(await oneRound(run, jpeg));
  }
  const megabytes = (value: (round: Round) => number) => rounds.map((each) => value(each) / 1e6);
  const growths = megabytes(({ before, peak }) => peak.all - before.all);
  const own = megabytes(({ before, peak }) => peak.own - before.own);
  const peaks = megabytes(({ peak }) => peak.all);
  const seconds = median(rounds.map((each) => each.seconds)).toFixed(1);
  const each = growths.map((growth) => growth.toFixed(0)).join(', ');
  return {
    findings: [
      {
        what: 'growth to the peak',
        unit: 'MB',
        ours: median(growths),
        target: { of: 'ours', atMost: 100 },
      },
      { what: 'growth without mapped files', unit: 'MB', ours: median(own) },
      { what: 'at the peak', unit: 'MB', ours: median(peaks) },
    ],
    notes: [
      `Resident memory (VmRSS) of the service and its decoder, added up every ${SAMPLE_EVERY_MS} ms,`,
      `against that after one such upload; medians of ${ROUNDS} new services (growth of each: ${each} MB).`,
      `The ${UPLOADS} uploads of ${(jpeg.length / 1e6).toFixed(1)} MB took ${seconds} s.`,
    ],
  };
}

async function oneRound(run: Run, jpeg: Buffer): Promise<Round> {
  const { signal } = run;
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-memory-'));
  await using service = await serveImages(join(folder.path, 'service'), run);
  using client = new HttpClient(UPLOADS, signal);
  const upload = async () => {
    await client.require(201, `${service.url}/api/v2/images`, imageForm(distinct(jpeg)));
  };
  await upload();
  await sleep(SETTLE_MS, undefined, { signal });

  const before = residentBytes(service.pid);
  const peak = { ...before };
  const sampling = setInterval(() => {
    const now = residentBytes(service.pid);
    peak.all = Math.max(peak.all, now.all);
    peak.own = Math.max(peak.own, now.own);
  }, SAMPLE_EVERY_MS);
  try {
    const started = performance.now();
    await inParallel(UPLOADS, UPLOADS, upload);
    return { before, peak, seconds: (performance.now() - started) / 1000 };
  } finally {
    clearInterval(sampling);
  }
}

if (import.meta.main) await answer([memory]);
