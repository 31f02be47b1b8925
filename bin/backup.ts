import { parseArgs } from 'node:util';
import { readSettings } from '../src/settings.ts';
import { takeBackup } from '../src/storage-service/backup/backup.ts';
import { storageServiceSettings } from '../src/storage-service/config.ts';
import { surviveLostOutput } from './lost-output.ts';
import { clearProgress, showProgress } from './progress.ts';

const USAGE = `Copies the images and the catalog of a data folder, also beside a running service.

  npm run backup -- FOLDER [--check]

  FOLDER     new, empty, or an earlier backup, to which only what is new is copied
  --check    also read every file of the backup and compare its hash
  DATA_DIR   the data folder (./data)

May be interrupted and run again: until the end, FOLDER holds the backup before.

Exit code 0: FOLDER holds a whole backup of now. 1: there is no new backup.
`;

surviveLostOutput();
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    const [folder, ...others] = positionals;
    if (values.help) process.stdout.write(USAGE);
    else if (folder && others.length === 0) await run(folder, values.check ?? false);
    else throw new Error('Name one folder: npm run backup -- FOLDER; --help tells more.');
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
}

async function run(path: string, check: boolean): Promise<void> {
  const { dataDir } = readSettings(storageServiceSettings, process.env);
  const taking = takeBackup({ dataDir, path, check, progress: showProgress });
  const { images, blobs, bytes, copied, copiedBytes, removed } =
    await taking.finally(clearProgress);
  process.stdout.write(
    `Backup of ${images} images, ${blobs} blobs (${megabytes(bytes)}) in ${path}: ${copied} copied (${megabytes(copiedBytes)}), ${blobs - copied} already there, ${removed} removed.\n`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
