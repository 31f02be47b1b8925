import { createHash, randomUUID } from 'node:crypto';
import { SqliteCatalog } from '../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { PlainInserts } from '../floors/plain-inserts.ts';
import { alternate, percentile } from '../measure/statistics.ts';
import { generatedFields, randomFrom } from './generated-images.ts';

const AT_ONCE = 32;
const ROUNDS = 5;
const ROUND_MS = 3_000;
const MINUTE_MS = 60_000;

/** Creates in a catalog file, without HTTP and bytes: lease, image, all their rows, durable. */
export async function durableCreates(path: string, images: number, signal: AbortSignal) {
  const catalog = await SqliteCatalog.open(path);
  const random = randomFrom(11);
  const latencies: number[] = [];
  let index = images;
  const creates = async (round: number) => {
    signal.throwIfAborted();
    const started = performance.now();
    const until = started + ROUND_MS;
    let created = 0;
    const creator = async () => {
      while (performance.now() < until) {
        const before = performance.now();
        await create(catalog, index++, random);
        created++;
        if (round > 0) latencies.push(performance.now() - before);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, creator));
    return (created * 1000) / (performance.now() - started);
  };
  try {
    using plain = new PlainInserts(`${path}.plain`);
    const inserts = async () => plain.insert(AT_ONCE, ROUND_MS / 3);
    // The first round warms up.
    const measured = await alternate(ROUNDS + 1, { creates, inserts });
    const [rates, floor] = [measured.creates.slice(1), measured.inserts.slice(1)];
    return { rates, floor, p99: percentile(latencies, 0.99), atOnce: AT_ONCE };
  } finally {
    await catalog.close();
  }
}

async function create(catalog: SqliteCatalog, index: number, random: () => number): Promise<void> {
  const operation_id = randomUUID();
  const sha256 = createHash('sha256').update(String(index)).digest('hex');
  const deadline = Date.now() + MINUTE_MS;
  const size_bytes = 100_000;
  await catalog.addLease(
    {
      operation_id,
      sha256,
      source_sha256: sha256,
      source_size_bytes: size_bytes,
      expires_at: deadline,
    },
    {
      sha256,
      size_bytes,
      media_type: 'image/png',
      width: 512,
      height: 512,
      pages: 1,
      placeholder: 'YJqGPQw7sFlslqhFafSE+Q6oJ1h2iHB2Rw==',
      palette: ['#402010', '#c0a080', '#88aacc'],
    },
    deadline,
  );
  await catalog.write(
    {
      operation: 'create_image',
      fields: generatedFields(index, random),
      content: { sha256, filename: `${index}.png` },
    },
    { operation_id, fingerprint: sha256, deadline },
  );
}
