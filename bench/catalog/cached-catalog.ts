import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/storage-service/catalog/sqlite/connection.ts';
import { Tidy } from '../../src/storage-service/catalog/sqlite/search/tidy.ts';
import { Statements } from '../../src/storage-service/catalog/sqlite/statements.ts';
import { generateCatalog } from './generate.ts';

/** What a generated catalog depends on; a change of any of them makes it anew. */
const SOURCES = [
  '../../src/storage-service/catalog/sqlite/schema.ts',
  '../../src/storage-service/catalog/sqlite/search/tokens.ts',
  './generated-images.ts',
].map((path) => new URL(path, import.meta.url));

/**
 * The path of a catalog of so many images, to be copied and not changed. A million of them take
 * minutes to make, so they are kept in the folder for temporary files.
 */
export function cachedCatalog(images: number, progress: (text: string) => void): string {
  const sources = createHash('sha256');
  for (const source of SOURCES) sources.update(readFileSync(source));
  const folder = join(tmpdir(), 'dnd-image-service-bench');
  const path = join(folder, `catalog-${sources.digest('hex').slice(0, 12)}-${images}.sqlite`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  try {
    generateCatalog(unfinished, images, (done) => progress(`${done} of ${images} rows generated`));
    progress('merging the search segments');
    mergeSegments(unfinished, images);
    // A million images are 3 GB: those of an older schema are of no use any more.
    const older = readdirSync(folder).filter((name) => name.endsWith(`-${images}.sqlite`));
    for (const name of older) rmSync(join(folder, name));
    renameSync(unfinished, path);
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(`${unfinished}${end}`, { force: true });
  }
  return path;
}

/** As the sweeper of a running service does. */
function mergeSegments(path: string, images: number): void {
  const db = connect(path, 'write');
  const tidy = new Tidy(new Statements(db));
  tidy.changed(images);
  while (tidy.step());
  db.exec('pragma wal_checkpoint(truncate)');
  db.close();
}
