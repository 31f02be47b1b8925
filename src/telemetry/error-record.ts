/** Errors that point at each other would otherwise be followed for ever. */
const CHAIN_MAX_ERRORS = 10;

export type ErrorRecord = {
  type: string;
  code?: string;
  message: string;
  stack?: string;
  /** What the faults of a ServiceError say, or the parts of an AggregateError. */
  errors?: unknown[];
  cause?: unknown;
};

/** An error and its causes as plain JSON: for the log, never for clients. */
export function errorRecord(thrown: unknown, depth = 1): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const { code, errors } = thrown as { code?: unknown; errors?: unknown };
  const record: ErrorRecord = { type: thrown.name, message: thrown.message };
  if (typeof code === 'string') record.code = code;
  if (thrown.stack !== undefined) record.stack = thrown.stack;
  if (depth === CHAIN_MAX_ERRORS) return record;
  if (Array.isArray(errors) && errors.length > 0) {
    record.errors = errors.map((error) => errorRecord(error, depth + 1));
  }
  if (thrown.cause !== undefined) record.cause = errorRecord(thrown.cause, depth + 1);
  return record;
}
