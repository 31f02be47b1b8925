import { mkdir, mkdtempDisposable, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageForm } from '../images/image-form.ts';
import { distinct, photograph } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { cpuSeconds } from '../measure/process-tree.ts';
import { type Answer, answer, type Question, type Run } from '../measure/question.ts';
import { NODE, ROOT, type Served, serve, serveImages } from '../measure/served-process.ts';
import { alternate, inParallel, median, medianRatio } from '../measure/statistics.ts';

const AT_ONCE = 8;
const UPLOADS_A_ROUND = 64;
const ROUNDS = 5;
const PHOTOGRAPHS = 4;
const PHOTOGRAPH = { width: 4000, height: 3000, bytes: 5_000_000 };
/** All that is kept until the end, and as much again. */
const DISK_MIN_BYTES = 10 * 1024 ** 3;

type Measured = { perSecond: number; cpuMs: number };

export const uploads: Question = {
  name: 'uploads',
  asks: `durable uploads of 5 MB, 12-megapixel JPEGs over HTTP, ${AT_ONCE} at once`,
  maxMs: 10 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { signal, progress } = run;
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < DISK_MIN_BYTES) {
    return { findings: [], notes: [`Skipped: ${tmpdir()} has less than 10 GiB of room.`] };
  }
  progress('making photographs');
  const seeds = Array.from({ length: PHOTOGRAPHS }, (_, seed) => seed);
  const photographs = await Promise.all(seeds.map((seed) => photograph({ ...PHOTOGRAPH, seed })));

  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-uploads-'));
  const floor = async (name: string, ...flags: string[]) => {
    const files = join(folder.path, name);
    await mkdir(files);
    return serve(NODE, [`${ROOT}bench/floors/upload-server.ts`, files, ...flags], signal);
  };
  await using written = await floor('written');
  await using decoded = await floor('decoded', '--decode');
  await using service = await serveImages(join(folder.path, 'service'), run);

  const raw = (server: Served) => (client: HttpClient, jpeg: Buffer) =>
    client.require(201, server.url, { method: 'PUT', body: distinct(jpeg) });
  const form = (client: HttpClient, jpeg: Buffer) =>
    client.require(201, `${service.url}/api/v2/images`, imageForm(distinct(jpeg)));
  const subject = (name: string, server: Served, send: typeof form) => async (round: number) => {
    progress(`${name}, round ${round} of ${ROUNDS}`);
    return upload(server, photographs, send, signal);
  };
  const measured = await alternate(ROUNDS + 1, {
    written: subject('floor: write', written, raw(written)),
    service: subject('service', service, form),
    decoded: subject('floor: write and decode', decoded, raw(decoded)),
  });
  return told(measured);
}

/** One round. CPU is that of the server, for one upload. */
async function upload(
  server: Served,
  photographs: readonly Buffer[],
  send: (client: HttpClient, jpeg: Buffer) => Promise<unknown>,
  signal: AbortSignal,
): Promise<Measured> {
  using client = new HttpClient(AT_ONCE, signal);
  const cpuBefore = cpuSeconds(server.pid);
  const started = performance.now();
  await inParallel(UPLOADS_A_ROUND, AT_ONCE, async (index) => {
    await send(client, photographs[index % photographs.length]!);
  });
  const seconds = (performance.now() - started) / 1000;
  const cpuMs = ((cpuSeconds(server.pid) - cpuBefore) * 1000) / UPLOADS_A_ROUND;
  return { perSecond: UPLOADS_A_ROUND / seconds, cpuMs };
}

function told(measured: Record<'written' | 'service' | 'decoded', Measured[]>): Answer {
  const of = (name: keyof typeof measured, value: keyof Measured) =>
    // The first round warms up.
    measured[name].slice(1).map((each) => each[value]);
  const against = (floor: 'written' | 'decoded', name: string, value: keyof Measured) => ({
    ours: median(of('service', value)),
    peer: { name, value: median(of(floor, value)) },
    ratio: medianRatio(of('service', value), of(floor, value)),
  });
  return {
    findings: [
      {
        what: 'uploads',
        unit: '/s',
        ...against('decoded', 'F2: hash, write, sync, decode', 'perSecond'),
        target: { of: 'ratio', atLeast: 0.8 },
      },
      {
        what: 'uploads',
        unit: '/s',
        ...against('written', 'F1: hash, write, sync', 'perSecond'),
        target: { of: 'ratio', atLeast: 0.22 },
      },
      { what: 'server CPU of one upload', unit: 'ms', ...against('decoded', 'F2', 'cpuMs') },
      { what: 'server CPU of one upload', unit: 'ms', ...against('written', 'F1', 'cpuMs') },
    ],
    notes: [
      `Medians of ${ROUNDS} alternating rounds of ${UPLOADS_A_ROUND} uploads, no two of equal bytes.`,
      'The floors take a raw PUT, the service a form. CPU counts the decoder process too.',
    ],
  };
}

if (import.meta.main) await answer([uploads]);
