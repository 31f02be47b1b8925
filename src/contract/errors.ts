/**
 * The one error that crosses interfaces, the wire included. `message` and `errors` are written for
 * the client and safe to show; `cause` is for the log and never leaves the process.
 */

export const ERROR_CODES = [
  'invalid_request',
  'cursor_invalid',
  'request_forbidden',
  'not_found',
  'image_not_found',
  'theme_not_found',
  'method_not_allowed',
  'request_timeout',
  'idempotency_key_reused',
  'operation_id_reused',
  'image_exists',
  'theme_cycle',
  'theme_in_use',
  'too_many_themes',
  'precondition_failed',
  'content_too_large',
  'unsupported_media_type',
  'range_not_satisfiable',
  'image_unreadable',
  'image_too_large',
  'too_many_frames',
  'headers_too_large',
  'rate_limited',
  'overloaded',
  'storage_unavailable',
  'deadline_exceeded',
  'outcome_unknown',
  'content_missing',
  'content_damaged',
  'storage_full',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What is wrong with one field of the request. */
export type FieldError = { field: string; message: string };

/** The wire form: what a message carries and a worker thread posts. */
export type ErrorData = {
  code: ErrorCode;
  message: string;
  errors?: FieldError[];
  /** The answer was kept from an earlier execution of the same operation. */
  replayed?: boolean;
};

export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
  readonly replayed: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; errors?: readonly FieldError[]; replayed?: boolean } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.errors = options.errors ?? [];
    this.replayed = options.replayed ?? false;
  }

  toData(): ErrorData {
    const data: ErrorData = { code: this.code, message: this.message };
    if (this.errors.length > 0) data.errors = [...this.errors];
    if (this.replayed) data.replayed = true;
    return data;
  }

  static fromData(data: ErrorData): ServiceError {
    return new ServiceError(data.code, data.message, data);
  }
}

/** Anything thrown, as the one error; what nobody foresaw becomes `internal` and shows nothing. */
export function toServiceError(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  return new ServiceError('internal', 'The service failed to handle this request.', {
    cause: thrown,
  });
}

/** The request breaks what is said of these fields. */
export function invalid(errors: readonly FieldError[]): ServiceError {
  const [first] = errors;
  const others = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  const subject = first?.field ? `${first.field} ` : 'The request ';
  return new ServiceError('invalid_request', `${subject}${first?.message}.${others}`, { errors });
}

export function themeNotFound(): ServiceError {
  return new ServiceError('theme_not_found', 'There is no theme with this name.');
}
