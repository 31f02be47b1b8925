import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openEmbeddedStore } from '../../bin/embedded-store.ts';
import type { CreateImage, WriteCall } from '../../src/contract/storage.ts';
import { readSettings } from '../../src/settings.ts';
import { storageServiceSettings } from '../../src/storage-service/config.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { png } from '../services/api.ts';

export const HOUR_MS = 60 * 60 * 1000;
export const DAY_MS = 24 * HOUR_MS;

/** A folder that goes with the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'storage-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A Store over a data folder, with what tests do to it again and again. */
export async function opening(t: TestContext, dataDir: string) {
  const config = readSettings(storageServiceSettings, { DATA_DIR: dataDir });
  const log = createLog({ service: 'test', version: '0', level: 'ERROR' });
  const metrics = new Metrics({ service: 'test', version: '0' });
  const { store, sweeper, close } = await openEmbeddedStore(config, '0.0.0', log, metrics);
  let closed: Promise<void> | undefined;
  const closeOnce = () => {
    closed ??= close();
    return closed;
  };
  t.after(closeOnce);
  const accept = async (bytes: Uint8Array, call: WriteCall) =>
    (await store.acceptContent(chunks(bytes), { filename: 'a.png' }, call)).claim;
  return {
    store,
    sweeper,
    close: closeOnce,
    accept,
    async create(bytes?: Uint8Array) {
      const call = writeCall();
      const claim = await accept(bytes ?? (await png()), call);
      return (await store.createImage(FIELDS, claim, call)).value;
    },
    async bytesOf(sha256: string) {
      const { bytes } = await store.getContent(sha256, null, writeCall());
      return Buffer.concat(await Array.fromAsync(bytes));
    },
  };
}

export const FIELDS: CreateImage = { type: 'portrait', name: 'Mira', theme: 'fantasy' };

export function writeCall(): WriteCall {
  return {
    operationId: randomUUID(),
    requestId: 'test',
    deadline: Date.now() + 20_000,
    signal: new AbortController().signal,
  };
}

export async function* chunks(bytes: Uint8Array, size = 10_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
