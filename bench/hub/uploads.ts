import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { imageForm } from '../images/image-form.ts';
import { distinct } from '../images/photographs.ts';
import { HttpClient } from '../measure/http-client.ts';
import { openLoop } from '../measure/open-loop.ts';
import type { Finding, Run } from '../measure/question.ts';
import { NODE, ROOT, serve } from '../measure/served-process.ts';
import { alternate, inParallel, median, medianRatio, percentile } from '../measure/statistics.ts';
import type { TwoServices } from './two-services.ts';

const ROUNDS = 5;
const UPLOADS_A_ROUND = 20;
const AT_ONCE = 8;
const READS_PER_SECOND = 50;
const READ_SECONDS = 20;

/** Durable uploads through both services, one at a time, beside the least that one needs. */
export async function uploadsAlone(
  services: TwoServices,
  photographs: readonly Buffer[],
  folder: string,
  { signal, progress }: Run,
): Promise<Finding[]> {
  const files = join(folder, 'decoded');
  await mkdir(files);
  const program = `${ROOT}bench/floors/upload-server.ts`;
  await using floor = await serve(NODE, [program, files, '--decode'], signal);
  using client = new HttpClient(1, signal);
  const subject = (name: string, send: (jpeg: Buffer) => Promise<number>) => (round: number) => {
    progress(`uploads, ${name}, round ${round} of ${ROUNDS}`);
    return timesOf(send, photographs);
  };
  const measured = await alternate(ROUNDS + 1, {
    services: subject('both services', async (jpeg) => {
      const form = imageForm(distinct(jpeg));
      return (await client.require(201, `${services.url}/api/v2/images`, form)).ms;
    }),
    floor: subject('floor', async (jpeg) => {
      const put = { method: 'PUT', body: distinct(jpeg) };
      return (await client.require(201, floor.url, put)).ms;
    }),
  });
  const of = (name: keyof typeof measured, share: number) =>
    // The first round warms up.
    measured[name].slice(1).map((times) => percentile(times, share));
  return [
    {
      what: '5 MB upload, one at a time: p50',
      unit: 'ms',
      ours: median(of('services', 0.5)),
      peer: { name: 'F2: hash, write, sync, decode', value: median(of('floor', 0.5)) },
      ratio: medianRatio(of('services', 0.5), of('floor', 0.5)),
      target: { of: 'ratio', atMost: 1.5 },
    },
  ];
}

async function timesOf(
  send: (jpeg: Buffer) => Promise<number>,
  photographs: readonly Buffer[],
): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < UPLOADS_A_ROUND; index++) {
    times.push(await send(photographs[index % photographs.length]!));
  }
  return times;
}

/** Metadata at a fixed rate while so many uploads always run. */
export async function readsBesideUploads(
  { url }: TwoServices,
  photographs: readonly Buffer[],
  ids: readonly string[],
  { signal, progress }: Run,
): Promise<Finding[]> {
  progress(`reads beside ${AT_ONCE} uploads`);
  using senders = new HttpClient(AT_ONCE, signal);
  using readers = new HttpClient(READS_PER_SECOND, signal);
  const read = async (index: number) => {
    await readers.require(200, `${url}/api/v2/images/${ids[index % ids.length]}`);
    return true;
  };
  // Once each, so that the edge knows them: what is asked is how long uploads keep it from answering.
  for (const index of ids.keys()) await read(index);
  let reading = true;
  let uploaded = 0;
  const sending = inParallel(AT_ONCE, AT_ONCE, async () => {
    while (reading) {
      const jpeg = photographs[uploaded++ % photographs.length]!;
      await senders.require(201, `${url}/api/v2/images`, imageForm(distinct(jpeg)));
    }
  });
  const reads = openLoop(
    READ_SECONDS,
    { reads: { perSecond: READS_PER_SECOND, job: read } },
    signal,
  );
  reads.finally(() => {
    reading = false;
  });
  const [{ reads: carried }] = await Promise.all([reads, sending]);
  const rate = (uploaded / READ_SECONDS).toFixed(1);
  const what = `metadata beside ${AT_ONCE} uploads of 5 MB (${rate}/s)`;
  return [
    {
      what: `${what}: p99`,
      unit: 'ms',
      ours: percentile(carried.ms, 0.99),
      target: { of: 'ours', atMost: 30 },
    },
    { what: `${what}: p50`, unit: 'ms', ours: median(carried.ms) },
    { what: `${what}: failed`, unit: '', ours: carried.failed, target: { of: 'ours', atMost: 0 } },
  ];
}
