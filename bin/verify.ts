import * as fs from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readSettings } from '../src/settings.ts';
import { FileBlobStore } from '../src/storage-service/blobs/file-blob-store.ts';
import { SqliteCatalog } from '../src/storage-service/catalog/sqlite/sqlite-catalog.ts';
import { storageServiceSettings } from '../src/storage-service/config.ts';
import { partsOf, tryLock } from '../src/storage-service/data-folder.ts';
import { requireAccess } from '../src/storage-service/folder-access.ts';
import { KeyedLock } from '../src/storage-service/keyed-lock.ts';
import { Sweeper } from '../src/storage-service/sweeper.ts';
import { verify } from '../src/storage-service/verify.ts';
import { surviveLostOutput } from './lost-output.ts';

const USAGE = `Checks every image of a data folder: its bytes, their hash, the catalog. Works beside a running service.

  npm run verify [-- --repair [--remove-orphans]]

  --repair           also mend what can be mended
  --remove-orphans   repair also when most of the files belong to no image of the catalog, and remove them
  DATA_DIR           the data folder (./data)

Exit code 0: nothing is wrong, or all of it was mended. 1: something is wrong. 2: it could not be checked,
or a repair is refused.
`;

surviveLostOutput();
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = {
      repair: { type: 'boolean', default: false },
      'remove-orphans': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    } as const;
    const { values } = parseArgs({ options });
    if (!values.help) return await run(values.repair, values['remove-orphans']);
    process.stdout.write(USAGE);
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
}

async function run(repair: boolean, removeOrphans: boolean): Promise<number> {
  if (removeOrphans && !repair) throw new Error('--remove-orphans is for --repair: name both.');
  const { dataDir, retentionDays } = readSettings(storageServiceSettings, process.env);
  const folder = partsOf(dataDir);
  const need = repair ? 'write' : 'read';
  await requireAccess(`DATA_DIR=${dataDir}`, folder, { catalog: need, files: need });
  await fs.access(folder.catalog).catch(() => {
    throw new Error(`DATA_DIR=${dataDir}: holds no catalog. Name the data folder of a service.`);
  });
  await using closing = new AsyncDisposableStack();
  // What cannot be written here may be written elsewhere.
  const release =
    (await writable(folder.path)) && (await writable(folder.lock)) ? tryLock(folder.lock) : null;
  if (release) closing.defer(release);
  const catalog = await openCatalog(folder.catalog, repair);
  closing.defer(() => catalog.close());

  const blobs = new FileBlobStore(folder.blobs);
  const locks = new KeyedLock();
  const log = { info: () => {}, error: () => {} };
  const sweeper = new Sweeper({ catalog, blobs, locks, log, retentionDays, intervalMs: 0 });
  const { incoming } = folder;
  const alone = release !== null;
  const result = await verify({
    ...{ catalog, blobs, incoming, sweeper },
    ...{ repair, removeOrphans, alone, progress },
  });
  progress(0);
  for (const { what, message, repaired } of result.findings) {
    process.stdout.write(`${repaired ? 'mended ' : ''}${what}: ${message}\n`);
  }
  const wrong = result.findings.filter(({ repaired }) => !repaired).length;
  const mendable = result.findings.some(({ what, repaired }) => what !== 'missing' && !repaired);
  const mended = result.findings.length - wrong;
  const { images } = await catalog.usage();
  const tally = `${images} images, ${result.blobs} blobs checked: ${wrong} wrong, ${mended} mended.`;
  const hint = result.foreign ?? 'Try --repair.';
  process.stdout.write(`${tally}${mendable && !repair ? ` ${hint}` : ''}\n`);
  return wrong === 0 ? 0 : 1;
}

/** As it is: a service of another release may be using it, and a backup is never written to again. */
async function openCatalog(path: string, repair: boolean): Promise<SqliteCatalog> {
  try {
    SqliteCatalog.requireCurrent(path);
    return repair ? await SqliteCatalog.open(path) : SqliteCatalog.openToRead(path);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** What is not there can be made, in a folder that can be written. */
async function writable(path: string): Promise<boolean> {
  return fs.access(path, fs.constants.W_OK).then(
    () => true,
    ({ code }) => code === 'ENOENT',
  );
}

/** On a terminal only; 0 clears the line. */
function progress(checked: number): void {
  if (!process.stderr.isTTY || (checked % 100 !== 0 && checked !== 0)) return;
  process.stderr.write(checked === 0 ? '\r\x1b[K' : `\r${checked} files checked`);
}
