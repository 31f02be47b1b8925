import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { ERROR_CODES, type ErrorCode } from '../contract/errors.ts';
import { EVENT_TYPES } from '../contract/messages.ts';
import { type About, DurationHistogram } from './duration-histogram.ts';

/**
 * What an operator watches, in the Prometheus text format. Label values are closed lists: routes as
 * they are registered, operations and codes of the contract; whatever else is `other`.
 */

/** A disk that hangs must not keep all the other values from Prometheus, which waits 10 s. */
const LOOK_MAX_MS = 2_000;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Gauges that are named like counters, which `promtool check metrics` objects to. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
const KNOWN_TYPES: ReadonlySet<string> = new Set(EVENT_TYPES);
const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#histogram('dnd_http_request_duration_seconds', {
    help: 'Requests answered over HTTP, and how long each took',
    labels: ['route', 'method', 'status'],
  });
  readonly #errors = this.#counter('dnd_http_errors_total', {
    help: 'Answers that were errors, by the code in their body',
    labels: ['code'],
  });
  readonly #operations = this.#histogram('dnd_storage_operation_duration_seconds', {
    help: 'Storage operations, and how long each took as this service sees it',
    labels: ['operation', 'outcome'],
  });
  readonly #messages = this.#counter('dnd_hub_messages_total', {
    help: 'Messages by what became of them: sent, repeated, received, late, malformed, expired, dead',
    labels: ['outcome', 'event_type'],
  });
  readonly #replies = this.#histogram('dnd_hub_reply_duration_seconds', {
    help: 'From when a request was sent to the hub to when its answer came',
    labels: ['operation'],
  });
  readonly #uploads = this.#counter('dnd_uploads_total', {
    help: 'Uploads that were accepted; known: the same bytes were there already',
    labels: ['known'],
  });
  readonly #uploadedBytes = this.#counter('dnd_uploaded_bytes_total', {
    help: 'Bytes of the uploads that were accepted',
    labels: [],
  });

  constructor(about: { service: string; version: string }) {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
    const labels = { ...about, node: process.version };
    new Gauge({
      name: 'dnd_build_info',
      help: 'Always 1; its labels tell what runs',
      labelNames: Object.keys(labels),
      registers: [this.#registry],
    }).set(labels, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  request(route: string | undefined, method: string, status: number, seconds: number): void {
    const known = METHODS.has(method) ? method : 'other';
    this.#requests.observe([route ?? 'other', known, String(status)], seconds);
  }

  error(code: ErrorCode): void {
    this.#errors.inc({ code });
  }

  operation(operation: string, outcome: string, seconds: number): void {
    const known = outcome === 'success' || KNOWN_CODES.has(outcome);
    this.#operations.observe([operation, known ? outcome : 'other'], seconds);
  }

  message(outcome: string, eventType: string, count = 1): void {
    const event_type = KNOWN_TYPES.has(eventType) ? eventType : 'other';
    this.#messages.inc({ outcome, event_type }, count);
  }

  reply(operation: string, seconds: number): void {
    this.#replies.observe([operation], seconds);
  }

  upload(bytes: number, known: boolean): void {
    this.#uploads.inc({ known: String(known) });
    this.#uploadedBytes.inc(bytes);
  }

  /** A value that is looked up when it is asked for; what cannot be looked at has none. */
  gauge(name: string, help: string, look: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.reset();
        // A gauge without labels is 0 unless it is said to be unknown.
        this.set(await lookOr(look, Number.NaN));
      },
    });
  }

  /** Values that are looked up together, one for each value of a label. */
  gauges(
    name: string,
    { help, label }: { help: string; label: string },
    look: () => Record<string, number> | Promise<Record<string, number>>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      async collect() {
        this.reset();
        for (const [value, number] of Object.entries(await lookOr(look, {}))) {
          this.set({ [label]: value }, number);
        }
      },
    });
  }

  /** Sums that somebody keeps, one for each value of a label. */
  totals(
    name: string,
    { help, label }: { help: string; label: string },
    look: () => Record<string, number>,
  ): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [value, sum] of Object.entries(look())) this.inc({ [label]: value }, sum);
      },
    });
  }

  #histogram<Label extends string>(name: string, about: About<Label>) {
    return new DurationHistogram(name, about, this.#registry);
  }

  #counter<Label extends string>(name: string, { help, labels }: About<Label>) {
    return new Counter({ name, help, labelNames: labels, registers: [this.#registry] });
  }
}

async function lookOr<T>(look: () => T | Promise<T>, otherwise: T): Promise<T> {
  const late = Promise.withResolvers<T>();
  const timer = setTimeout(() => late.resolve(otherwise), LOOK_MAX_MS);
  try {
    return await Promise.race([look(), late.promise]);
  } catch {
    return otherwise;
  } finally {
    clearTimeout(timer);
  }
}
