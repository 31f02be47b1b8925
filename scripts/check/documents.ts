import { createConfig, lintFromString } from '@redocly/openapi-core';
import type { StorageEvents } from '../../src/contract/storage.ts';
import { imageServiceSettings } from '../../src/image-service/config.ts';
import { asyncapiDocument } from '../../src/image-service/routes/asyncapi.ts';
import { buildServer } from '../../src/image-service/server.ts';
import { readSettings } from '../../src/settings.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

/** The OpenAPI and AsyncAPI documents, held against the rules of Redocly. */

const VERSION = '0.0.0-check';

export async function documentFaults(): Promise<string[]> {
  const documents = {
    'openapi.json': await openapiDocument(),
    'asyncapi.json': asyncapiDocument(VERSION),
  };
  const faults = Object.entries(documents).map(([name, document]) => lintFaults(name, document));
  return (await Promise.all(faults)).flat();
}

/** Warnings too: a document is clean or it is not. */
export async function lintFaults(name: string, document: object): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const source = JSON.stringify(document);
  const problems = await lintFromString({ source, absoluteRef: name, config });
  return problems.map(({ message, ruleId, location: [at] }) => {
    return `${name}: ${at?.pointer ?? '#'}: ${message} (${ruleId})`;
  });
}

/** Nothing is asked of the storage: routes only describe themselves. */
async function openapiDocument(): Promise<object> {
  const events: StorageEvents = { heard: true, subscribe: () => () => {} };
  const server = await buildServer({
    config: readSettings(imageServiceSettings, {}),
    storage: {} as never,
    events,
    log: createLog({ service: 'check', version: VERSION, level: 'ERROR' }),
    metrics: new Metrics({ service: 'check', version: VERSION }),
    version: VERSION,
    messageHub: async () => ({ status: 'healthy', latency_ms: 0 }),
  });
  try {
    await server.ready();
    return server.swagger();
  } finally {
    await server.close();
  }
}
