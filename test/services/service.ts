import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allInOneSettings, startAllInOne } from '../../bin/all-in-one.ts';
import { type Environment, readSettings } from '../../src/settings.ts';
import { createLog, type LogOptions } from '../../src/telemetry/log.ts';

export const VERSION = '0.0.0-test';

export type RunningService = AsyncDisposable & {
  /** `http://127.0.0.1:<port>` */
  url: string;
  port: number;
  /** Every line of the log so far. */
  log: Record<string, unknown>[];
  dataDir: string;
  close(): Promise<void>;
};

/** The all-in-one in this process, on a free port, over a data folder that goes with it. */
export async function startService(
  env: Environment = {},
  level: LogOptions['level'] = 'INFO',
): Promise<RunningService> {
  await using closing = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'image-service-'));
  closing.defer(() => rm(dataDir, { recursive: true, force: true }));

  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  const log = createLog({ service: 'test', version: VERSION, level, destination });
  const config = readSettings(allInOneSettings, { DATA_DIR: dataDir, PORT: '0', ...env });
  const { url, close } = await startAllInOne(config, VERSION, log);
  closing.defer(close);

  const opened = closing.move();
  const close_ = () => opened.disposeAsync();
  return {
    url,
    port: Number(new URL(url).port),
    log: lines,
    dataDir,
    close: close_,
    [Symbol.asyncDispose]: close_,
  };
}
