import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageServiceCommandSettings, startImageService } from '../../bin/image-service.ts';
import { startStorageService, storageServiceCommandSettings } from '../../bin/storage-service.ts';
import { type Environment, readSettings } from '../../src/settings.ts';
import { createLog } from '../../src/telemetry/log.ts';

type Lines = Record<string, unknown>[];
export type Started = AsyncDisposable & { url: string; log: Lines };

/** A Storage Service in this process, on a free port; without DATA_DIR over a folder of its own. */
export async function startStorage(env: Environment) {
  await using closing = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'storage-service-'));
  closing.defer(() => rm(folder, { recursive: true, force: true }));
  const dataDir = env.DATA_DIR ?? folder;
  const config = readSettings(storageServiceCommandSettings, {
    PORT: '0',
    ...env,
    DATA_DIR: dataDir,
  });
  const { lines, log } = gathered();
  const service = await startStorageService(config, '0', log);
  closing.defer(service.close);
  const { url, failed } = service;
  const opened = closing.move();
  return { url, failed, dataDir, log: lines, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** An Image Service in this process, on a free port. */
export async function startImages(env: Environment): Promise<Started> {
  const config = readSettings(imageServiceCommandSettings, { PORT: '0', ...env });
  const { lines, log } = gathered();
  const { url, close } = await startImageService(config, '0', log);
  return { url, log: lines, [Symbol.asyncDispose]: close };
}

function gathered() {
  const lines: Lines = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { lines, log: createLog({ service: 'test', version: '0', level: 'DEBUG', destination }) };
}
