import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { SqliteCatalog } from '../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { PlainInserts } from '../floors/plain-inserts.ts';
import { alternate, percentile } from '../measure/statistics.ts';
import { generatedFields, randomFrom } from './generated-images.ts';

const AT_ONCE = 32;
const ROUNDS = 5;
/** About a second; the bytes they lease stay below what may wait for its image. */
const CREATES_A_ROUND = 8_000;
const INSERTS_MS = 1_000;
const MINUTE_MS = 60_000;
/** Of each image. */
const SIZE_BYTES = 100_000;

/** A second is counted from the first call to the last answer. */
export type CreateRates = {
  leases: number[];
  creates: number[];
  floor: number[];
  p99: number;
  atOnce: number;
};

/**
 * Creates in a catalog file, without HTTP and bytes, durable: first a lease each, as of bytes that
 * were accepted, then the images with all their rows.
 */
export async function durableCreates(
  path: string,
  images: number,
  signal: AbortSignal,
): Promise<CreateRates> {
  const catalog = await SqliteCatalog.open(path);
  const random = randomFrom(11);
  const latencies: number[] = [];
  const perSecond: Pick<CreateRates, 'leases' | 'creates'> = { leases: [], creates: [] };
  let made = images;
  const round = async (number: number) => {
    const drafts = Array.from({ length: CREATES_A_ROUND }, () => draft(made++, random));
    perSecond.leases.push(await rate(drafts, (each) => addLease(catalog, each), signal));
    const create = async (each: Draft) => {
      const before = performance.now();
      await createImage(catalog, each);
      if (number > 0) latencies.push(performance.now() - before);
    };
    perSecond.creates.push(await rate(drafts, create, signal));
    return 0;
  };
  try {
    using plain = new PlainInserts(`${path}.plain`);
    const inserts = async () => plain.insert(AT_ONCE, INSERTS_MS);
    // The first round warms up.
    const measured = await alternate(ROUNDS + 1, { round, inserts });
    return {
      leases: perSecond.leases.slice(1),
      creates: perSecond.creates.slice(1),
      floor: measured.inserts.slice(1),
      p99: percentile(latencies, 0.99),
      atOnce: AT_ONCE,
    };
  } finally {
    await catalog.close();
  }
}

async function rate(
  drafts: readonly Draft[],
  call: (draft: Draft) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const left = drafts.values();
  const started = performance.now();
  const caller = async () => {
    for (const each of left) {
      signal.throwIfAborted();
      await call(each);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  return (drafts.length * 1000) / (performance.now() - started);
}

type Draft = {
  operation_id: string;
  sha256: string;
  filename: string;
  fields: ReturnType<typeof generatedFields>;
};

function draft(index: number, random: () => number): Draft {
  return {
    operation_id: uuidv7(),
    sha256: createHash('sha256').update(String(index)).digest('hex'),
    filename: `${index}.png`,
    fields: generatedFields(index, random),
  };
}

async function addLease(catalog: SqliteCatalog, { operation_id, sha256 }: Draft): Promise<void> {
  const deadline = Date.now() + MINUTE_MS;
  await catalog.addLease(
    {
      operation_id,
      sha256,
      source_sha256: sha256,
      source_size_bytes: SIZE_BYTES,
      expires_at: deadline,
    },
    {
      sha256,
      size_bytes: SIZE_BYTES,
      media_type: 'image/png',
      width: 512,
      height: 512,
      pages: 1,
      placeholder: 'YJqGPQw7sFlslqhFafSE+Q6oJ1h2iHB2Rw==',
      palette: ['#402010', '#c0a080', '#88aacc'],
    },
    deadline,
  );
}

async function createImage(catalog: SqliteCatalog, draft: Draft): Promise<void> {
  const { operation_id, sha256, filename, fields } = draft;
  await catalog.write(
    { operation: 'create_image', fields, content: { sha256, size_bytes: SIZE_BYTES, filename } },
    { operation_id, fingerprint: sha256, deadline: Date.now() + MINUTE_MS },
  );
}
