import { createHash, randomUUID } from 'node:crypto';
import { SqliteCatalog } from '../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { median, percentile } from '../measure/statistics.ts';
import { generatedFields, randomFrom } from './generated-images.ts';

const AT_ONCE = 32;
const ROUNDS = 5;
const ROUND_MS = 3_000;
const MINUTE_MS = 60_000;

/** Creates in a catalog file, without HTTP and bytes: lease, image, all their rows, durable. */
export async function durableCreates(path: string, images: number, signal: AbortSignal) {
  const catalog = await SqliteCatalog.open(path);
  const random = randomFrom(11);
  const rates: number[] = [];
  const latencies: number[] = [];
  let index = images;
  try {
    // The first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      signal.throwIfAborted();
      const until = performance.now() + ROUND_MS;
      let created = 0;
      const creator = async () => {
        while (performance.now() < until) {
          const started = performance.now();
          await create(catalog, index++, random);
          created++;
          if (round > 0) latencies.push(performance.now() - started);
        }
      };
      const started = performance.now();
      await Promise.all(Array.from({ length: AT_ONCE }, creator));
      if (round > 0) rates.push((created * 1000) / (performance.now() - started));
    }
  } finally {
    await catalog.close();
  }
  return { perSecond: median(rates), rates, p99: percentile(latencies, 0.99), atOnce: AT_ONCE };
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
