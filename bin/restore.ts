import { parseArgs } from 'node:util';
import { readSettings } from '../src/settings.ts';
import { restoreBackup } from '../src/storage-service/backup/restore.ts';
import { storageServiceSettings } from '../src/storage-service/config.ts';
import { surviveLostOutput } from './lost-output.ts';
import { clearProgress, showProgress } from './progress.ts';

const USAGE = `Brings a backup into a data folder that holds no catalog, and checks every file of it.

  npm run restore -- FOLDER

  FOLDER     what "npm run backup" was given
  DATA_DIR   the data folder (./data); no service runs on it

May be interrupted and run again.

Exit code 0: all is restored. 1: restored, but the backup lacks something. 2: nothing was restored.
`;

surviveLostOutput();
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      options: { help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    const [folder, ...others] = positionals;
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (folder && others.length === 0) return await run(folder);
    throw new Error('Name one folder: npm run restore -- FOLDER; --help tells more.');
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
}

async function run(path: string): Promise<number> {
  const { dataDir } = readSettings(storageServiceSettings, process.env);
  const restoring = restoreBackup({ path, dataDir, progress: showProgress });
  const { images, blobs, bytes, findings } = await restoring.finally(clearProgress);
  for (const finding of findings) process.stdout.write(`${finding}\n`);
  process.stdout.write(
    `Restored ${images} images, ${blobs} blobs (${(bytes / 1e6).toFixed(1)} MB) into ${dataDir}: ${findings.length} wrong.\n`,
  );
  return findings.length === 0 ? 0 : 1;
}
