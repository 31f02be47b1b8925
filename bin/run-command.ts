import { parseArgs } from 'node:util';
import { type Environment, type Setting, SettingsError, shownDefault } from '../src/settings.ts';
import type { Log } from '../src/telemetry/log.ts';
import { surviveLostOutput } from './lost-output.ts';

const CANNOT_LISTEN = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);
/** SIGHUP: the terminal was closed. Settings are read once, so there is nothing to read again. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** npm passes on the Ctrl-C that the terminal has sent already; that is not a second one. */
const SAME_INTERRUPT_MS = 1_000;
/** As a shell tells the end by SIGINT. */
const INTERRUPTED = 130;
/** Longer than any request may take to finish; then the process ends all the same. */
const SHUTDOWN_MAX_MS = 30_000;

type Running = {
  log: Log;
  close(): Promise<void>;
  /** Resolves when the service finds that it must not go on. */
  failed?: Promise<Error>;
};

type Command = {
  /** What starts it. */
  usage: string;
  about: string;
  settings: Readonly<Record<string, Setting<unknown>>>;
  start(env: Environment): Promise<Running>;
};

/**
 * Runs a service from the command line until SIGTERM, SIGINT or SIGHUP: `--help`, faults of settings and of
 * the start in one clear message (exit code 1), an orderly end (exit code 0).
 */
export async function runCommand(command: Command): Promise<void> {
  surviveLostOutput();
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    strict: false,
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(helpOf(command));
    return;
  }
  const unknown = [...Object.keys(values).map((name) => `--${name}`), ...positionals];
  if (unknown.length > 0) {
    return fail(
      `${unknown.join(', ')}: not known here. Settings are environment variables; ${command.usage} -- --help lists them.`,
    );
  }
  // As process 1 of a container, a signal that nobody listens for is lost.
  // One listener from begin to end: a signal that comes while listeners are exchanged is lost too.
  let stop: (signal: NodeJS.Signals) => void = endAtOnce;
  for (const signal of SIGNALS) process.on(signal, () => stop(signal));
  try {
    stop = endInOrder(await command.start(process.env));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined && CANNOT_LISTEN.has(code)) {
      return fail(
        `Cannot listen on ${settingOf(command, 'HOST')}:${settingOf(command, 'PORT')} (${code}). Set HOST and PORT to an address that is free.`,
      );
    }
    return fail(error instanceof SettingsError ? message : `The service cannot start: ${message}`);
  }
}

/** Nothing is served yet. */
function endAtOnce(): void {
  process.exit(0);
}

/**
 * By a signal with exit code 0, at once by a second SIGINT; by its own failure with 1. Returns what a
 * signal does.
 */
function endInOrder({ log, close, failed }: Running): (signal: NodeJS.Signals) => void {
  let ending = false;
  const end = async (reason: object, exitCode: number) => {
    if (ending) return;
    ending = true;
    log.info(reason, 'Stopping: no new requests, those that run are finished');
    setTimeout(() => {
      log.error('Not all ended in time; stopping now');
      process.exit(1);
    }, SHUTDOWN_MAX_MS).unref();
    try {
      await close();
      log.info('Stopped');
      process.exit(exitCode);
    } catch (error) {
      log.error({ err: error }, 'Stopped with an error');
      process.exit(1);
    }
  };
  failed?.then((error) => {
    log.error({ err: error }, error.message);
    end({ reason: error.message }, 1);
  });
  let interrupted: number | undefined;
  return (signal) => {
    end({ signal }, 0);
    if (signal !== 'SIGINT') return;
    interrupted ??= performance.now();
    if (performance.now() - interrupted < SAME_INTERRUPT_MS) return;
    log.warn('Interrupted again; stopping without waiting for the requests that run');
    process.exit(INTERRUPTED);
  };
}

/** As it was given, or else its default. */
function settingOf({ settings }: Command, name: string): string {
  const setting = Object.values(settings).find((one) => one.name === name);
  return process.env[name]?.trim() || (setting ? shownDefault(setting) : '');
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

function helpOf({ usage, about, settings }: Command): string {
  const rows = Object.values(settings).map((setting) => {
    const { name, describe } = setting;
    return `  ${name.padEnd(21)} ${describe} (${shownDefault(setting)})`;
  });
  return `${about}\n\n  ${usage}\n\nSettings, as environment variables, with their defaults:\n\n${rows.join('\n')}\n`;
}
