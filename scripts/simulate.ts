import { parseArgs } from 'node:util';
import {
  PLANTED_FAULT_NAMES,
  PLANTED_FAULTS,
  type PlantedFault,
} from '../test/simulation/planted-fault.ts';
import { type Run, simulate } from '../test/simulation/simulation.ts';

/** `npm run simulate`: see USAGE. */

const SEEDS_DEFAULT = 1_000;
const PROGRESS_EVERY_MS = 2_000;
/** The end of a trace: what led to the fault is mostly there. */
const TRACE_LINES = 80;
const exits = { ok: 0, failed: 1, usage: 2 };

const USAGE = `npm run simulate -- [--seeds ${SEEDS_DEFAULT}] [--from 0] [--fault NAME]
npm run simulate -- --seed N [--trace] [--fault NAME]

Runs the hub and the storage in one process, on a clock and by a chance of their own: messages are
late, lost and repeated, disks fail, processes die at any step. Every seed is another run, and the
same one each time. Stops at the first that breaks an invariant, and tells which and how.

  --seeds N     so many seeds
  --from N      the first of them
  --seed N      this one alone
  --trace       all that happened, not only the last ${TRACE_LINES} lines before a fault
  --fault NAME  plants a fault, to see it found:
${PLANTED_FAULT_NAMES.map((name) => `                ${name}: ${PLANTED_FAULTS[name]}`).join('\n')}
`;

class UsageError extends Error {}

type Command = { from: number; seeds: number; trace: boolean; fault: PlantedFault | undefined };

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const command = parse(args);
    if (command) return await run(command);
    process.stdout.write(USAGE);
    return exits.ok;
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    process.stderr.write(`${thrown.message}\nnpm run simulate -- --help tells more.\n`);
    return exits.usage;
  }
}

async function run({ from, seeds, trace, fault }: Command): Promise<number> {
  const started = performance.now();
  let told = started;
  let steps = 0;
  const progress = (done: number) => {
    const perSecond = done / ((performance.now() - started) / 1000);
    process.stdout.write(
      `${done} of ${seeds} seeds, ${perSecond.toFixed(1)} a second, ${steps} steps\n`,
    );
  };
  for (let done = 0; done < seeds; done += 1) {
    const ran = await simulate(from + done, fault);
    steps += ran.steps;
    if (trace && !ran.violation) process.stdout.write(`${ran.trace.join('\n')}\n`);
    if (ran.violation) {
      progress(done + 1);
      process.stdout.write(describe(ran, trace, fault));
      return exits.failed;
    }
    if (performance.now() - told < PROGRESS_EVERY_MS) continue;
    told = performance.now();
    progress(done + 1);
  }
  progress(seeds);
  process.stdout.write('No invariant was broken.\n');
  return exits.ok;
}

function describe({ seed, steps, violation, trace }: Run, whole: boolean, fault?: PlantedFault) {
  const shown = whole ? trace : trace.slice(-TRACE_LINES);
  const again = `npm run simulate -- --seed ${seed} --trace${fault ? ` --fault ${fault}` : ''}`;
  return `${shown.join('\n')}

Seed ${seed} broke an invariant after ${steps} steps: ${violation?.invariant}.
  ${violation?.detail}
${again}
`;
}

function parse(args: string[]): Command | undefined {
  const { values } = parsed(args);
  if (values.help) return undefined;
  const { fault } = values;
  if (fault !== undefined && !(fault in PLANTED_FAULTS)) {
    throw new UsageError(`--fault must be one of ${PLANTED_FAULT_NAMES.join(', ')}.`);
  }
  if (values.seed !== undefined && (values.seeds ?? values.from) !== undefined) {
    throw new UsageError('--seed stands alone, without --seeds and --from.');
  }
  const from = number('seed', values.seed) ?? number('from', values.from) ?? 0;
  const seeds = values.seed === undefined ? (number('seeds', values.seeds) ?? SEEDS_DEFAULT) : 1;
  return { from, seeds, trace: values.trace ?? false, fault: fault as PlantedFault | undefined };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        seeds: { type: 'string' },
        from: { type: 'string' },
        seed: { type: 'string' },
        fault: { type: 'string' },
        trace: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined || /^\d{1,9}$/.test(text)) return text === undefined ? text : Number(text);
  throw new UsageError(`--${name} must be a whole number, not "${text}".`);
}
