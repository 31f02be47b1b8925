import { execFile } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';

/** A third of what the service gets, where both want a processor. */
const NICENESS = 5;
const OUTPUT_MAX_BYTES = 64 * 1024;

/**
 * What is wrong with a catalog that is in use; undefined when that is not known in time. Ends early with
 * an error when the signal aborts.
 */
export async function quickCheck(
  path: string,
  signal: AbortSignal,
  maxMs: number,
): Promise<string[] | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string[] | undefined>();
  const program = fileURLToPath(new URL('./quick-check-process.ts', import.meta.url));
  const options = {
    signal,
    timeout: maxMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_MAX_BYTES,
  } as const;
  const child = execFile(process.execPath, [program, path], options, (error, stdout) => {
    if (error?.killed && !signal.aborted) resolve(undefined);
    else if (error) reject(error);
    else resolve(JSON.parse(stdout) as string[]);
  });
  try {
    setPriority(child.pid!, NICENESS);
  } catch {
    // It has ended already, or could not be started, which its callback tells.
  }
  return promise;
}
