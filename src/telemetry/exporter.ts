import { context, propagation, trace } from '@opentelemetry/api';
import { addressOf, type Setting } from '../settings.ts';
import { tracesHaveExporter } from './trace.ts';

export const traceSettings = {
  tracesEndpoint: {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: null,
    // It may name a user of the collector.
    secret: true,
    describe:
      'address of an OpenTelemetry collector (OTLP over HTTP) that gets traces; none: no traces',
    parse: addressOf('http:', 'https:'),
  } satisfies Setting<string | null> as Setting<string | null>,
};

/** What is not exported by then when the service stops is lost: it must stop. */
const STOP_MAX_MS = 2_000;

/** Exports spans from now on. Returns how to export the last ones and stop. */
export async function exportTraces(
  endpoint: string | null,
  about: { service: string; version: string },
): Promise<() => Promise<void>> {
  if (endpoint === null) return async () => {};
  // Only now: loading them takes as long as a fifth of a start.
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, core, resources] =
    await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: resources.resourceFromAttributes({
      'service.name': about.service,
      'service.version': about.version,
    }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  tracesHaveExporter();
  return async () => {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, STOP_MAX_MS);
    await Promise.race([provider.shutdown().catch(() => {}), late.promise]);
    clearTimeout(timer);
  };
}
