import { mkdir, mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ImagePage } from '../../src/contract/image.ts';
import { makePortraits } from '../images/portraits.ts';
import { HttpClient } from '../measure/http-client.ts';
import { type Answer, answer, type Question, type Run } from '../measure/question.ts';
import { NODE, ROOT, serveImages, timed } from '../measure/served-process.ts';
import { alternate, median, medianRatio } from '../measure/statistics.ts';

const PORTRAITS = 241;
const ROUNDS = 3;
const IMAGE = /\.(png|jpe?g|webp|gif|avif)$/i;

export const importing: Question = {
  name: 'import',
  asks: `images/s of the import command, of ${PORTRAITS} generated portraits or of --folder`,
  maxMs: 30 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { signal, progress } = run;
  await using temporary = await mkdtempDisposable(join(tmpdir(), 'bench-import-'));
  const made = async (name: string) => {
    const path = join(temporary.path, name);
    await mkdir(path);
    return path;
  };
  progress('making portraits');
  const folder = run.folder ? resolve(run.folder) : await made('portraits');
  if (!run.folder) await makePortraits(folder, PORTRAITS);
  const entries = await readdir(folder, { recursive: true });
  const files = entries.filter((name) => IMAGE.test(name)).length;

  const importOnce = async (round: number) => {
    progress(`import, round ${round} of ${ROUNDS}`);
    await using service = await serveImages(await made(`service-${round}`), run);
    const options = ['--type', 'portrait', '--theme', 'fantasy', '--recursive'];
    const program = `${ROOT}client/import.ts`;
    const seconds = await timed(NODE, [program, folder, ...options, '--url', service.url], signal);
    await requireImages(service.url, signal);
    return files / seconds;
  };
  const floorOnce = async (round: number) => {
    progress(`floor, round ${round} of ${ROUNDS}`);
    const program = `${ROOT}bench/floors/import-files.ts`;
    return files / (await timed(NODE, [program, folder, await made(`floor-${round}`)], signal));
  };
  // A long import needs no repetition; a short one gets a round to warm up.
  const rounds = run.folder ? 1 : ROUNDS + 1;
  const rates = await alternate(rounds, { ours: importOnce, floor: floorOnce });
  const [ours, floor] = [rates.ours, rates.floor].map((all) =>
    rounds > 1 ? all.slice(1) : all,
  ) as [number[], number[]];
  const peer = { name: 'read, hash, decode, write, sync', value: median(floor) };
  return {
    findings: [
      {
        what: `import of ${files} files`,
        unit: '/s',
        ours: median(ours),
        peer,
        ratio: medianRatio(ours, floor),
      },
    ],
    notes: [
      `Medians of ${ours.length} rounds of whole processes, their start included; the import sends four at once, the floor does two.`,
    ],
  };
}

/** That something came, and of what the import says it took. */
async function requireImages(url: string, signal: AbortSignal): Promise<void> {
  using client = new HttpClient(1, signal);
  const { body } = await client.require(200, `${url}/api/v2/images?limit=1`);
  if ((JSON.parse(body.toString()) as ImagePage).items.length === 0) {
    throw new Error('The import ended well and brought nothing.');
  }
}

if (import.meta.main) await answer([importing]);
