import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The value of one time series of a service; undefined: it has none. */
export async function valueAt(url: string, series: string): Promise<number | undefined> {
  return valueIn(await metricsOf(url), series);
}

export async function metricsOf(url: string): Promise<string> {
  return await (await fetch(`${url}/metrics`)).text();
}

export function valueIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

/** Whether a program of Prometheus is here; in CI it must be. */
export async function isInstalled(program: 'prometheus' | 'promtool'): Promise<boolean> {
  try {
    await promisify(execFile)(program, ['--version'], { timeout: 20_000 });
    return true;
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return false;
  }
}
