import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '../services/api.ts';
import { eventually } from '../services/data-folder.ts';
import { ServiceProcess } from '../services/service-process.ts';
import { withBroker } from '../services/with-broker.ts';

type Span = {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  service: string;
};

/** What an OpenTelemetry collector would get. */
async function startCollector() {
  const spans: Span[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const text = (await Array.fromAsync(request)).join('');
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      const named = resource.attributes.find(
        (each: { key: string }) => each.key === 'service.name',
      );
      const service = named.value.stringValue as string;
      for (const scope of scopeSpans) {
        for (const span of scope.spans) spans.push({ ...span, service });
      }
    }
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, spans, close: () => server.close() };
}

await withBroker((broker) => {
  test('one trace leads from the request over the hub and the content endpoint to the state', async (t) => {
    const collector = await startCollector();
    t.after(collector.close);
    const folder = await mkdtemp(join(tmpdir(), 'traces-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const hub = { MESSAGE_HUB_URL: await broker.vhost() };
    const env = { ...hub, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const storage = new ServiceProcess(folder, env, 'bin/storage-service.ts');
    t.after(() => storage.kill());
    const address = { STORAGE_SERVICE_URL: await storage.ready };
    const images = new ServiceProcess(folder, { ...env, ...address }, 'bin/image-service.ts');
    t.after(() => images.kill());
    const url = await images.ready;
    await eventually(async () => {
      assert.equal((await fetch(`${url}/health/ready`)).status, 200);
    }, 20_000);

    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const caller = 'b7ad6b7169203331';
    const traced = (path: string, init?: RequestInit) => {
      const headers = { traceparent: `00-${traceId}-${caller}-01` };
      return fetch(url + path, { ...init, headers });
    };
    const { content } = await create(traced);
    // The second time from memory.
    for (let time = 0; time < 2; time += 1) await (await traced(content.url)).arrayBuffer();
    assert.equal(await images.stop(), 0);
    assert.equal(await storage.stop(), 0);

    const trace = collector.spans.filter((span) => span.traceId === traceId);
    const delivered = trace.filter(({ name }) => name === 'GET /api/v2/images/:id/content');
    assert.equal(delivered.length, 2);
    const by = new Map(trace.map((span) => [span.spanId, span]));
    const path = (name: string, service: string): string[] => {
      let span = trace.find((each) => each.name === name && each.service === service);
      const names: string[] = [];
      for (; span; span = by.get(span.parentSpanId ?? '')) {
        names.unshift(`${span.service}: ${span.name}`);
        if (span.parentSpanId === caller) names.unshift('caller');
      }
      return names;
    };
    assert.deepEqual(path('storage create_image', 'storage_service'), [
      'caller',
      'image_service: POST /api/v2/images',
      'image_service: storage create_image',
      'storage_service: storage.request create_image',
      'storage_service: storage create_image',
    ]);
    assert.deepEqual(path('storage accept_content', 'storage_service'), [
      'caller',
      'image_service: POST /api/v2/images',
      'image_service: storage accept_content',
      'storage_service: PUT /content/uploads/:operation_id',
      'storage_service: storage accept_content',
    ]);
  });
});

test('a collector that is away costs neither answers nor the end of the service', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'traces-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const service = new ServiceProcess(folder, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  });
  t.after(() => service.kill());
  const url = await service.ready;
  assert.equal((await fetch(`${url}/api/v2/images`)).status, 200);
  assert.equal(await service.stop(), 0);
});
