import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cpuSeconds } from './process-tree.ts';
import type { Served } from './served-process.ts';

const run = promisify(execFile);

const CONNECTIONS = 32;
/** A busy machine delays some answers by seconds; those are slow, and not faults. */
const TIMEOUT = '10s';

export type Load = { perSecond: number; cpuMicroseconds: number };

/** Whether a program can be started here. */
export async function installed(program: string): Promise<boolean> {
  try {
    await run(program, ['-v'], { timeout: 5_000 });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** As many requests as the server can answer: how many a second, and its CPU for each. */
export async function load(
  server: Served,
  path: string,
  header: string | undefined,
  seconds: number,
  signal: AbortSignal,
): Promise<Load> {
  const headers = header ? ['-H', header] : [];
  const args = [
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    '--timeout',
    TIMEOUT,
    ...headers,
    `${server.url}${path}`,
  ];
  const before = cpuSeconds(server.pid);
  const { stdout } = await run('wrk', args, { signal, timeout: (seconds + 20) * 1000 });
  const used = cpuSeconds(server.pid) - before;
  const [, requests, elapsed, unit] = /(\d+) requests in ([\d.]+)(s|m)/.exec(stdout) ?? [];
  const count = Number(requests);
  if (!(count > 0) || /Non-2xx|Socket errors/.test(stdout)) {
    throw new Error(`wrk ${args.join(' ')} found faults:\n${stdout}`);
  }
  const lasted = Number(elapsed) * (unit === 'm' ? 60 : 1);
  return { perSecond: count / lasted, cpuMicroseconds: (used / count) * 1e6 };
}
