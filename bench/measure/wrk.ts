import { execFile } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuSeconds } from './process-tree.ts';
import type { Served } from './served-process.ts';

const run = promisify(execFile);

const CONNECTIONS = 32;
/** A busy machine delays some answers by seconds; those are slow, and not faults. */
const TIMEOUT = '10s';

export type Load = {
  /** Those that failed left out. */
  perSecond: number;
  cpuMicroseconds: number;
  /** Answers with an error, broken connections, timeouts. */
  failed: number;
};

/** Whether a program can be started here. */
export async function installed(program: string): Promise<boolean> {
  try {
    await run(program, ['-v'], { timeout: 5_000 });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/**
 * As many requests as the server can answer, to those paths in turn: how many a second, and the CPU
 * of its process for each.
 */
export async function load(
  server: Pick<Served, 'url' | 'pid'>,
  paths: readonly string[],
  header: string | undefined,
  seconds: number,
  signal: AbortSignal,
): Promise<Load> {
  const headers = header ? ['-H', header] : [];
  await using folder = await mkdtempDisposable(join(tmpdir(), 'bench-wrk-'));
  const script = join(folder.path, 'paths.lua');
  await writeFile(script, inTurn(paths));
  const several = paths.length > 1 ? ['-s', script] : [];
  const args = [
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    '--timeout',
    TIMEOUT,
    ...headers,
    ...several,
    `${server.url}${paths[0]}`,
  ];
  const before = cpuSeconds(server.pid);
  const { stdout } = await run('wrk', args, { signal, timeout: (seconds + 20) * 1000 });
  const used = cpuSeconds(server.pid) - before;
  const [, requests, elapsed, unit] = /(\d+) requests in ([\d.]+)(s|m)/.exec(stdout) ?? [];
  const count = Number(requests);
  if (!(count > 0)) throw new Error(`wrk ${args.join(' ')} got no answer:\n${stdout}`);
  const [, refused = 0] = /Non-2xx or 3xx responses: (\d+)/.exec(stdout) ?? [];
  const [broken = ''] = /Socket errors: .*/.exec(stdout) ?? [];
  const unanswered = [...broken.matchAll(/\d+/g)].reduce(
    (sum, [digits]) => sum + Number(digits),
    0,
  );
  const lasted = Number(elapsed) * (unit === 'm' ? 60 : 1);
  return {
    perSecond: (count - Number(refused)) / lasted,
    cpuMicroseconds: (used / count) * 1e6,
    failed: Number(refused) + unanswered,
  };
}

/** A script of wrk: equal requests are as far from each other as can be. */
function inTurn(paths: readonly string[]): string {
  const list = paths.map((path) => JSON.stringify(path)).join(', ');
  return `
    local paths, last = { ${list} }, 0
    request = function()
      last = last % #paths + 1
      return wrk.format("GET", paths[last])
    end`;
}
