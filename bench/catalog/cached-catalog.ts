import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../src/storage-service/catalog/sqlite/connection.ts';
import { Tidy } from '../../src/storage-service/catalog/sqlite/search/tidy.ts';
import { Statements } from '../../src/storage-service/catalog/sqlite/statements.ts';
import { generateCatalog } from './generate.ts';

/** Enough that every kind of token is among them. */
const SAMPLE_IMAGES = 200;

/**
 * The path of a catalog of so many images, to be copied and not changed. A million of them take
 * minutes and 3 GB, so they are kept in the folder for temporary files.
 */
export function cachedCatalog(images: number, progress: (text: string) => void): string {
  const folder = join(tmpdir(), 'dnd-image-service-bench');
  const path = join(folder, `catalog-${fingerprint()}-${images}.sqlite`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  try {
    generateCatalog(unfinished, images, (done) => progress(`${done} of ${images} rows generated`));
    progress('merging the search segments');
    mergeSegments(unfinished, images);
    const older = readdirSync(folder).filter((name) => name.endsWith(`-${images}.sqlite`));
    for (const name of older) rmSync(join(folder, name));
    renameSync(unfinished, path);
  } finally {
    for (const end of ['', '-wal', '-shm']) rmSync(`${unfinished}${end}`, { force: true });
  }
  return path;
}

/** Changes with the schema, the tokens and the generated fields, and not with how they are written. */
function fingerprint(): string {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'bench-fingerprint-'));
  const path = join(folder.path, 'catalog.sqlite');
  generateCatalog(path, SAMPLE_IMAGES, () => {});
  const db = connect(path, 'write');
  const hash = createHash('sha256');
  db.exec('create virtual table temp.tokens using fts5vocab (main, search_live, row)');
  for (const sql of [
    'select sql from sqlite_schema order by name',
    'select term, doc from temp.tokens order by term',
    'select name, description, tags, attributes from images order by seq',
  ]) {
    hash.update(JSON.stringify(db.prepare(sql).all()));
  }
  db.close();
  return hash.digest('hex').slice(0, 12);
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
