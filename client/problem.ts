import { ERROR_CODES, type FieldError, ServiceError } from '../src/contract/errors.ts';

/** What the service answered instead of doing it. */
export class AnsweredError extends ServiceError {
  readonly status: number;
  /** How long the service asks to be left alone (RFC 9110, 10.2.3); 0 when it does not say. */
  readonly retryAfterMs: number;

  constructor(response: Response, problem: Record<string, unknown>) {
    const { code, detail, errors } = problem;
    super(
      ERROR_CODES.find((known) => known === code) ?? 'internal',
      typeof detail === 'string'
        ? detail
        : `${response.url} answered ${response.status} in a way that the image service does not.`,
      { errors: Array.isArray(errors) ? errors.filter(isFieldError) : [] },
    );
    this.status = response.status;
    this.retryAfterMs = retryAfterMs(response.headers.get('retry-after'));
  }
}

/** Reads problem details (RFC 9457) to their end; what is none becomes `internal`. */
export async function answeredError(response: Response): Promise<AnsweredError> {
  const text = await response.text();
  try {
    return new AnsweredError(response, Object(JSON.parse(text)));
  } catch {
    return new AnsweredError(response, {});
  }
}

function isFieldError(error: unknown): error is FieldError {
  const { field, message } = Object(error);
  return typeof field === 'string' && typeof message === 'string';
}

/** Seconds or a date. */
export function retryAfterMs(header: string | null, now = Date.now()): number {
  if (!header) return 0;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

/** No answer came from the service, however often it was asked. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`No answer from ${url}: ${reason(cause)}`, { cause });
    this.url = url;
  }
}

/** fetch says "fetch failed" and hides why in its cause. */
function reason(thrown: unknown): string {
  const { cause, message, code } = Object(thrown);
  if (cause !== undefined) return reason(cause);
  return message || code || String(thrown);
}
