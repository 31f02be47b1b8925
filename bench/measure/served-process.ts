import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Run } from './question.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const NODE = `${ROOT}scripts/node`;

const READY_MAX_MS = 30_000;
/** The service itself ends after 30 s. */
const STOP_MAX_MS = 35_000;
const STDERR_KEPT_CHARACTERS = 2_000;

/** A server as a process of its own; ends with the scope, or when the run is given up. */
export type Served = AsyncDisposable & { url: string; pid: number };

type LogEntry = {
  url?: string;
  message?: string;
  status?: number;
  outcome?: string;
  duration_ms?: number;
};
/** Is told of every line that a program logs. */
export type Hear = (entry: LogEntry) => void;

/** The all-in-one on a free port over that data folder. */
export function serveImages(
  dataDir: string,
  run: Pick<Run, 'signal' | 'profiles'>,
  env: Record<string, string> = {},
): Promise<Served> {
  return serveCommand('all-in-one', run, { DATA_DIR: dataDir, ...env });
}

/** A service of bin/ on a free port. */
export function serveCommand(
  name: string,
  { signal, profiles }: Pick<Run, 'signal' | 'profiles'>,
  env: Record<string, string>,
  hear?: Hear,
): Promise<Served> {
  const profiling = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
  const settings = { HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'INFO', ...env };
  return serve(NODE, [...profiling, `${ROOT}bin/${name}.ts`], signal, settings, hear);
}

/** A program that writes a line of JSON with its `url` when it listens. */
export async function serve(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: Record<string, string> = {},
  hear?: Hear,
): Promise<Served> {
  const child = start(command, args, signal, env);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const entry = entryIn(line);
    if (entry?.url) resolve(entry.url);
    if (entry) hear?.(entry);
  });
  ended(child).then((how) => reject(new Error(`${command} ${args.join(' ')} ended: ${how}`)));
  return served(child, await within(READY_MAX_MS, promise, child));
}

/** A program that listens on a port which it is given, and is ready when it answers there. */
export async function serveAt(
  port: number,
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Served> {
  const child = start(command, args, signal, {});
  const url = `http://127.0.0.1:${port}`;
  let how: string | undefined;
  ended(child).then((text) => {
    how = text;
  });
  const answered = async () => {
    for (;;) {
      if (how !== undefined) throw new Error(`${command} ended: ${how}`);
      if (await fetch(url, { signal }).catch(() => undefined)) return url;
      await sleep(20, undefined, { signal });
    }
  };
  return served(child, await within(READY_MAX_MS, answered(), child));
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a program to its end. Seconds it took; throws unless its exit code is 0. */
export async function timed(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now();
  const child = start(command, args, signal, {});
  child.stdout?.resume();
  const how = await ended(child);
  if (child.exitCode !== 0) throw new Error(`${command} ${args.join(' ')} ended: ${how}`);
  return (performance.now() - started) / 1000;
}

function start(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: Record<string, string>,
): ChildProcess {
  return spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
}

/** Resolves with its exit code or signal and the end of what it wrote to stderr. */
function ended(child: ChildProcess): Promise<string> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT_CHARACTERS);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(`${signal ?? code} ${stderr}`));
  });
}

function served(child: ChildProcess, url: string): Served {
  return {
    url,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
      await exited.catch(() => {});
      clearTimeout(late);
    },
  };
}

function entryIn(line: string): LogEntry | undefined {
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return undefined;
  }
}

async function within<T>(ms: number, promise: Promise<T>, child: ChildProcess): Promise<T> {
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
