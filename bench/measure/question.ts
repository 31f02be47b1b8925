import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { printAnswer, printMachine } from './table.ts';

/** One line of an answer. */
export type Finding = {
  what: string;
  /** Of `ours` and of the peer's value: `/s`, `ms`, `MB` … */
  unit: string;
  ours: number;
  /** What ours is held against: a floor, a peer, or ourselves at another size. */
  peer?: { name: string; value: number };
  /** The median of the ratios of neighbouring rounds, which swing less than the values do. */
  ratio?: number;
  target?: { of: 'ours' | 'ratio'; atLeast: number } | { of: 'ours' | 'ratio'; atMost: number };
};

export type Answer = {
  findings: Finding[];
  /** What a reader must know to believe the numbers, or why there are none. */
  notes: string[];
};

export type Run = {
  signal: AbortSignal;
  /** Says what goes on; shown while it runs. */
  progress(text: string): void;
  /** Of real images, for questions that can take them. */
  folder: string | undefined;
  /** Where a CPU profile of each service goes that ends well. */
  profiles: string | undefined;
};

export type Question = {
  name: string;
  asks: string;
  /** Ends by itself long before; past it everything is given up. */
  maxMs: number;
  answer(run: Run): Promise<Answer>;
};

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        folder: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\nnpm run bench -- --help lists the options.`);
    process.exit(2);
  }
}

function usage(questions: readonly Question[]): string {
  const width = Math.max(...questions.map(({ name }) => name.length));
  const lines = questions.map(({ name, asks }) => `  ${name.padEnd(width)}  ${asks}`);
  return `Measures speed and memory against floors and peers of the same run, a table for each question.

  npm run bench -- [QUESTION...] [options]

${lines.join('\n')}

  --folder DIR   import: uses the images of DIR
  --profile DIR  writes a CPU profile of each service to DIR
  --help         this text

Without a QUESTION all are measured, which takes about 15 minutes; the first run needs 3 more, for a
catalog of a million images that stays in the folder for temporary files (TMPDIR).

Exit code: 0 every target is met, 1 a target is missed or a question has no answer, 2 wrong usage.`;
}

/** Answers those questions that the command line names, or all; exit code 1: a target is missed. */
export async function answer(questions: readonly Question[]): Promise<void> {
  const { values, positionals } = parsed();
  if (values.help) {
    console.log(usage(questions));
    return;
  }
  const unknown = positionals.filter((name) => !questions.some((known) => known.name === name));
  if (unknown.length > 0) {
    const names = questions.map(({ name }) => name).join(', ');
    console.error(`${unknown.join(', ')}: no such question; there are ${names}.`);
    process.exitCode = 2;
    return;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      stop.abort(new Error('Interrupted.'));
    });
  }
  await printMachine();
  for (const question of questions) {
    if (positionals.length > 0 && !positionals.includes(question.name)) continue;
    if (stop.signal.aborted) break;
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(question.maxMs)]);
    try {
      const { folder, profile: profiles } = values;
      const answered = await question.answer({ signal, progress, folder, profiles });
      progress('');
      if (!printAnswer(question, answered)) process.exitCode ||= 1;
    } catch (error) {
      progress('');
      const reason = signal.aborted ? signal.reason : error;
      console.error(`${question.name} was given up:`, reason);
      process.exitCode ||= 1;
    }
  }
}

/** On a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
