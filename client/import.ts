import { ImageClient } from './client.ts';
import { type Command, parseCommand, USAGE, UsageError } from './import/arguments.ts';
import { importFolder } from './import/import-folder.ts';
import { showProgress } from './import/progress.ts';
import { printable, summary } from './import/summary.ts';
import { Tally } from './import/tally.ts';
import { countFiles } from './import/walk.ts';
import { UnreachableError } from './problem.ts';

/** The command line `npm run import`: see USAGE. */

const exits = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
/** npm passes on the signal that the terminal has sent already; that is not a second one. */
const SAME_SIGNAL_MS = 500;

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
  const { url, patienceMs, folder, recursive } = command;
  if (!(await isReady(url, command.fields.theme))) return exits.failed;

  const stop = new AbortController();
  const interrupted = onInterrupt(stop);
  const tally = new Tally();
  let total: number | undefined;
  countFiles(folder, recursive, stop.signal).then((count) => {
    total = count;
  });
  const endProgress = showProgress(process.stderr, tally, () => total);
  const client = new ImageClient({ url, patienceMs, lastAttempt: stop.signal });
  await importFolder(client, command, tally, stop);
  endProgress();

  process.stdout.write(summary(tally));
  if (tally.stopped || interrupted()) say('Run the same line again to go on where it ended.');
  if (interrupted()) return exits.interrupted;
  return tally.refused > 0 || tally.stopped ? exits.failed : exits.ok;
}

/** A wrong address or theme should be noticed before the first file, and at once. */
async function isReady(url: string, theme: string): Promise<boolean> {
  try {
    const themes = await new ImageClient({ url, patienceMs: 0 }).themes();
    if (!themes.some(({ name }) => name === theme)) {
      say(`The theme ${theme} is new: it comes to be with the first image.`);
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
