import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { SqliteCatalog } from '../../../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { catalogSuite } from '../../suites/catalog-suite.ts';

const closing = new AsyncDisposableStack();
after(() => closing.disposeAsync());

catalogSuite('SqliteCatalog', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-'));
  closing.defer(() => rm(folder, { recursive: true }));
  const catalog = await SqliteCatalog.open(join(folder, 'catalog.sqlite'));
  closing.defer(() => catalog.close());
  return catalog;
});
