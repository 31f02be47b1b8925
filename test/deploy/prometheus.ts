import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_MAX_MS = 60_000;
/** Between two looks, and between two evaluations: tests do not wait as long as operators. */
const EVERY = '1s';

/** A Prometheus with the configuration of a folder, which looks at these services instead, by job. */
export async function startPrometheus(
  folder: string,
  services: Record<string, { url: string }>,
): Promise<AsyncDisposable & { ask<T>(what: string): Promise<T> }> {
  await using closing = new AsyncDisposableStack();
  const own = await mkdtemp(join(tmpdir(), 'prometheus-'));
  closing.defer(() => rm(own, { recursive: true, force: true }));
  const config = join(own, 'prometheus.yml');
  const text = await readFile(join(folder, 'prometheus.yml'), 'utf8');
  await writeFile(config, adapted(text, folder, services));

  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(own, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { cwd: own, stdio: ['ignore', 'ignore', 'pipe'], timeout: 2 * START_MAX_MS },
  );
  const ended = once(child, 'close');
  closing.defer(async () => {
    child.kill();
    await ended;
  });
  const address = Promise.withResolvers<string>();
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line);
    const [, listens] = line.match(/msg="Listening on".* address=(\S+)/) ?? [];
    if (listens !== undefined) address.resolve(listens);
  });
  const failed = () => address.reject(new Error(`Prometheus did not start: ${lines.join('\n')}`));
  ended.then(failed, failed);
  const timer = setTimeout(failed, START_MAX_MS);
  closing.defer(() => clearTimeout(timer));
  const url = `http://${await address.promise}/api/v1`;

  const running = closing.move();
  return {
    async ask<T>(what: string): Promise<T> {
      const answer = await fetch(`${url}/${what}`);
      const { data, error } = (await answer.json()) as { data: T; error?: string };
      if (error !== undefined) throw new Error(`${what}: ${error}`);
      return data;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The same, with the jobs of these services alone, at the addresses that they have here. */
function adapted(text: string, folder: string, services: Record<string, { url: string }>): string {
  const [global, ...jobs] = text
    .replaceAll(/(_interval|_timeout): \w+/g, `$1: ${EVERY}`)
    .replace('- alerts.yml', `- ${join(folder, 'alerts.yml')}`)
    .split(/(?=^ {2}- job_name: )/m);
  const kept = jobs.flatMap((job) => {
    const service = services[job.match(/job_name: (\w+)/)![1]!];
    if (!service) return [];
    return [job.replace(/targets: \[[^\]]+\]/, `targets: ['${new URL(service.url).host}']`)];
  });
  return [global, ...kept].join('');
}
