import { mkdir, mkdtempDisposable, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerForTests } from '../../test/services/rabbitmq.ts';
import { AskedCatalog } from '../catalog/asked-catalog.ts';
import { NAMED_QUERIES } from '../catalog/queries.ts';
import { type Drawn, lists } from '../hub/lists.ts';
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
  await using split = await AskedCatalog.over(IMAGES, await inside('split'), run, (dataDir) =>
    serveTwoServices(dataDir, hubs.services, run),
  );
  const services = split.service;
  const ids = await split.ids();
  const findings: Finding[] = await roundTrips(services, hubs, ids, run);
  const notes: string[] = [];
  const drawn: Drawn[] = [];
  {
    await using whole = await AskedCatalog.open(IMAGES, await inside('whole'), run);
    for (const query of NAMED_QUERIES) {
      run.progress(`${query.name}, drawing`);
      drawn.push({ query, instances: await whole.instancesOf(query) });
    }
    const listed = await lists(split, whole, drawn, run);
    findings.push(...listed.findings);
    notes.push(...listed.notes);
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
