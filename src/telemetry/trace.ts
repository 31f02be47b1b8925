import {
  type Attributes,
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { toServiceError } from '../contract/errors.ts';

/**
 * Spans of what is done for a request, from HTTP over the hub to the state. Where nobody exports
 * them (exporter.ts) none is made, and what is traced simply runs.
 */

const tracer = trace.getTracer('dnd-image-service');
let exported = false;

/** Whether anybody gets the spans. */
export function tracesAreExported(): boolean {
  return exported;
}

/** From now on somebody does. */
export function tracesHaveExporter(): void {
  exported = true;
}

/** Carries a trace across processes: https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceparent(): string | undefined {
  if (!exported) return undefined;
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}

/** `server` answers a request over HTTP, `consumer` a message; both may continue a trace. */
type Kind = 'server' | 'consumer' | 'internal';
const KINDS: Record<Kind, SpanKind> = {
  server: SpanKind.SERVER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

type About = {
  kind: Kind;
  attributes?: Attributes;
  /** Of the process that asks; absent: what is done now in this one. */
  parent?: string | undefined;
};

export type OpenSpan = {
  /** Runs it within the span: what it starts are parts of this. */
  within<T>(run: () => T): T;
  end(attributes: Attributes, failed: boolean): void;
};

/** For what does not end where it begins. */
export function openSpan(name: string, { kind, attributes = {}, parent }: About): OpenSpan {
  const before = parent
    ? propagation.extract(context.active(), { traceparent: parent })
    : context.active();
  const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, before);
  return {
    within: (run) => context.with(trace.setSpan(before, span), run),
    end(more, failed) {
      span.setAttributes(more);
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** Runs it within a span that ends with it, and tells its error's code. */
export async function traced<T>(name: string, about: About, run: () => Promise<T>): Promise<T> {
  if (!exported) return run();
  const span = openSpan(name, about);
  try {
    const answer = await span.within(run);
    span.end({}, false);
    return answer;
  } catch (error) {
    span.end({ 'error.type': toServiceError(error).code }, true);
    throw error;
  }
}
