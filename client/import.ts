import { ImageClient } from './client.ts';
import { type Command, parseCommand, USAGE, UsageError } from './import/arguments.ts';
import { importFolder } from './import/import-folder.ts';
import { showProgress } from './import/progress.ts';
import { printable, summary } from './import/summary.ts';
import { Tally } from './import/tally.ts';
import { countFiles, NOT_RECURSIVE } from './import/walk.ts';
import { UnreachableError } from './problem.ts';

/** The command line `npm run import`: see USAGE. */

const exits = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
/** npm passes on the signal that the terminal has sent already; that is not a second one. */
const SAME_SIGNAL_MS = 500;

// The import goes on although its output cannot be written; `head` closes its pipe on purpose.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE')
    say(`The output cannot be written (${code}); the exit code tells the result.`);
});
process.stderr.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const command = await parseCommand(args);
    if (command) return await run(command);
    process.stdout.write(USAGE);
    return exits.ok;
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    say(`${thrown.message}\nnpm run import -- --help tells more.`);
    return exits.usage;
  }
}

async function run(command: Command): Promise<number> {
  const { url, patienceMs, sources, recursive } = command;
  if (!(await isReady(url, command.fields.theme))) return exits.failed;

  const stop = new AbortController();
  const interrupted = onInterrupt(stop);
  const tally = new Tally();
  let total: number | undefined;
  countFiles(sources, recursive, stop.signal).then((count) => {
    total = count;
  });
  const endProgress = showProgress(process.stderr, tally, () => total);
  const client = new ImageClient({ url, patienceMs, lastAttempt: stop.signal });
  await importFolder(client, command, tally, stop);
  endProgress();

  process.stdout.write(summary(tally));
  if (tally.stopped || interrupted()) say('Run the same line again to go on where it ended.');
  if (interrupted()) return exits.interrupted;
  if (tally.images === 0 && !tally.stopped) say(nothingFound(tally));
  return tally.refused > 0 || tally.images === 0 || tally.stopped ? exits.failed : exits.ok;
}

/** A wrong address or theme should be noticed before the first file, and at once. */
async function isReady(url: string, theme: string | undefined): Promise<boolean> {
  try {
    const themes = await new ImageClient({ url, patienceMs: 0 }).themes();
    if (theme !== undefined && !themes.some(({ name }) => name === theme)) {
      say(`The theme ${theme} does not exist yet; it is created with the first new image.`);
    }
    return true;
  } catch (thrown) {
    say((thrown as Error).message);
    if (thrown instanceof UnreachableError) {
      say('Start the service with `npm start`, or say with --url where it is.');
    }
    return false;
  }
}

function nothingFound(tally: Tally): string {
  const folders = tally.skipped.get(NOT_RECURSIVE)?.count ?? 0;
  const hint = folders > 0 ? ` --recursive also imports from the folders inside (${folders}).` : '';
  return `No image was found.${hint}`;
}

/** The first interruption stops, the second ends the process. Returns whether there was one. */
function onInterrupt(stop: AbortController): () => boolean {
  let firstAt: number | undefined;
  const interrupt = () => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      stop.abort();
      say('\nFinishing the uploads under way. Ctrl-C again ends at once.');
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) {
      process.exit(exits.interrupted);
    }
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return () => firstAt !== undefined;
}

function say(text: string): void {
  const lines = text.split('\n').map(printable);
  process.stderr.write(`${lines.join('\n')}\n`);
}
