import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { connect } from '../../src/storage-service/catalog/sqlite/connection.ts';
import { migrate } from '../../src/storage-service/catalog/sqlite/schema.ts';
import { SearchIndex } from '../../src/storage-service/catalog/sqlite/search/search-index.ts';
import { Statements } from '../../src/storage-service/catalog/sqlite/statements.ts';
import { Upkeep } from '../../src/storage-service/catalog/sqlite/writes/upkeep.ts';
import { Writer } from '../../src/storage-service/catalog/sqlite/writes/writer.ts';
import { generatedFields, randomFrom } from './generated-images.ts';

const GROUP_IMAGES = 2_000;

/**
 * Fills a new catalog with rows as the service would write them, without the syncs. Its images
 * have no bytes.
 */
export function generateCatalog(path: string, images: number, progress: (done: number) => void) {
  mkdirSync(dirname(path), { recursive: true });
  const db = connect(path, 'write');
  db.exec('pragma synchronous = off');
  migrate(db);
  const index = new SearchIndex(new Statements(db));
  const writer = new Writer(db, index);
  const upkeep = new Upkeep(db, writer, index);
  const random = randomFrom(7);
  for (let done = 0; done < images; ) {
    db.exec('begin immediate');
    for (const end = Math.min(images, done + GROUP_IMAGES); done < end; done++) {
      create(done, random, writer, upkeep);
    }
    index.write();
    db.exec('commit');
    progress(done);
  }
  db.exec(`delete from operations; delete from events;`);
  db.close();
}

function create(index: number, random: () => number, writer: Writer, upkeep: Upkeep): void {
  const operation_id = randomUUID();
  const sha256 = createHash('sha256').update(String(index)).digest('hex');
  const side = () => 2 ** (6 + Math.floor(random() * 5)) + Math.floor(random() * 64);
  const lease = {
    operation_id,
    sha256,
    source_sha256: sha256,
    source_size_bytes: 0,
    expires_at: Date.now() + 60_000,
  };
  const blob = {
    sha256,
    size_bytes: 50_000 + Math.floor(random() * 100_000),
    media_type: random() < 0.8 ? 'image/png' : 'image/jpeg',
    width: side(),
    height: side(),
    pages: 1,
    placeholder: 'YJqGPQw7sFlslqhFafSE+Q6oJ1h2iHB2Rw==',
    palette: ['#402010', '#c0a080', '#88aacc'],
  };
  upkeep.addLease(lease, blob, lease.expires_at);
  writer.execute(
    {
      operation: 'create_image',
      fields: generatedFields(index, random),
      content: { sha256, size_bytes: lease.source_size_bytes, filename: `${index}.png` },
    },
    { operation_id, fingerprint: sha256, deadline: Number.MAX_SAFE_INTEGER },
  );
}
