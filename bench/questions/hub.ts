import { mkdir, mkdtempDisposable, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerForTests } from '../../test/services/rabbitmq.ts';
import { AskedCatalog, UNCACHED } from '../catalog/asked-catalog.ts';
import { NAMED_QUERIES } from '../catalog/queries.ts';
import { type Drawn, listsAlone, listsAtOnce } from '../hub/lists.ts';
import { promisedLoad } from '../hub/promised-load.ts';
import { roundTrips } from '../hub/round-trips.ts';
import { serveTwoServices } from '../hub/two-services.ts';
import { readsBesideUploads, uploadsAlone } from '../hub/uploads.ts';
import { photograph } from '../images/photographs.ts';
import { type Answer, answer, type Finding, type Question, type Run } from '../measure/question.ts';

const IMAGES = 1_000_000;
const PHOTOGRAPHS = 4;
const LARGE = { width: 4000, height: 3000, bytes: 5_000_000 };
const SMALL = { width: 1600, height: 1200, bytes: 1_000_000 };
/** Of the requests a second of the all-in-one. */
const LISTS_RATIO_MIN = 0.7;
/** Two catalogs, and the uploads of all parts. */
const DISK_MIN_BYTES = 16 * 1024 ** 3;

export const hub: Question = {
  name: 'hub',
  asks: `both services and RabbitMQ as processes of their own, with ${IMAGES} images`,
  maxMs: 20 * 60_000,
  answer: measure,
};

async function measure(run: Run): Promise<Answer> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < DISK_MIN_BYTES) {
    return { findings: [], notes: [`Skipped: ${tmpdir()} has less than 16 GiB of room.`] };
  }
  run.progress('starting RabbitMQ');
  const found = await brokerForTests();
  if ('skip' in found) return { findings: [], notes: [`Skipped: ${found.skip}`] };
  await using broker = found.broker;
  const hubs = { services: await broker.vhost(), echo: await broker.vhost() };

  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-hub-'));
  const inside = async (name: string) => {
    await mkdir(join(folder.path, name));
    return join(folder.path, name);
  };
  const folders = { split: await inside('split'), whole: await inside('whole') };
  const both = (env: Record<string, string>) =>
    AskedCatalog.over(IMAGES, folders.split, run, (dataDir) =>
      serveTwoServices(dataDir, hubs.services, run, env),
    );
  const findings: Finding[] = [];
  const notes: string[] = [];
  const take = (answer: Answer) => {
    findings.push(...answer.findings);
    notes.push(...answer.notes);
  };
  const drawn: Drawn[] = [];
  let ids: string[];
  {
    await using split = await both(UNCACHED);
    ids = await split.ids();
    findings.push(...(await roundTrips(split.service, hubs, ids, run)));
    await using whole = await AskedCatalog.open(IMAGES, folders.whole, run, UNCACHED);
    for (const query of NAMED_QUERIES) {
      run.progress(`${query.name}, drawing`);
      drawn.push({ query, instances: await whole.instancesOf(query) });
    }
    findings.push(...(await listsAlone(split, whole, drawn, run)));
    take(await listsAtOnce(split, whole, drawn, run, 'none kept'));
  }
  await using split = await both({});
  const services = split.service;
  {
    await using whole = await AskedCatalog.open(IMAGES, folders.whole, run, {});
    take(await listsAtOnce(split, whole, drawn, run, 'as deployed', LISTS_RATIO_MIN));
  }

  run.progress('making photographs');
  const large = await photographs(LARGE);
  const small = await photographs(SMALL);
  findings.push(...(await uploadsAlone(services, large, folder.path, run)));
  findings.push(...(await readsBesideUploads(services, large, ids, run)));
  const urls = drawn.flatMap(({ instances }) => instances.urls);
  const promised = await promisedLoad(services, { small, large, lists: urls, ids }, run);
  return {
    findings: [...findings, ...promised.findings],
    notes: [
      'The echo carries 1,000 bytes both ways by the queues and with the confirmations of a request: persistent, a quorum queue, acknowledged after its answer is confirmed. It and get_image are asked from this process, without HTTP.',
      'The round trips and the lists one at a time are asked of an edge that keeps no metadata (METADATA_CACHE_MB=0).',
      ...notes,
      ...promised.notes,
    ],
  };
}

function photographs(picture: typeof LARGE): Promise<Buffer[]> {
  const seeds = Array.from({ length: PHOTOGRAPHS }, (_, seed) => seed);
  return Promise.all(seeds.map((seed) => photograph({ ...picture, seed })));
}

if (import.meta.main) await answer([hub]);
