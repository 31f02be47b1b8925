import type { ErrorCode } from '../contract/errors.ts';

/** How an error shows itself over HTTP. `retryAfter` is in seconds. */
export type Status = { status: number; title: string; retryAfter?: number };

const STATUSES = {
  invalid_request: { status: 400, title: 'The request is malformed' },
  cursor_invalid: { status: 400, title: 'The cursor is not valid here' },
  request_forbidden: { status: 403, title: 'The request is not allowed' },
  not_found: { status: 404, title: 'Nothing is here' },
  image_not_found: { status: 404, title: 'There is no such image' },
  theme_not_found: { status: 404, title: 'There is no such theme' },
  method_not_allowed: { status: 405, title: 'The method is not taken here' },
  request_timeout: { status: 408, title: 'The request came too slowly' },
  idempotency_key_reused: { status: 409, title: 'The Idempotency-Key was used before' },
  operation_id_reused: { status: 409, title: 'The operation was another one before' },
  image_exists: { status: 409, title: 'The image exists already' },
  theme_cycle: { status: 409, title: 'The theme would be its own ancestor' },
  theme_in_use: { status: 409, title: 'The theme is in use' },
  too_many_themes: { status: 409, title: 'There are too many themes' },
  precondition_failed: { status: 412, title: 'The version is not the one you named' },
  content_too_large: { status: 413, title: 'Too many bytes' },
  unsupported_media_type: { status: 415, title: 'The format is not taken' },
  range_not_satisfiable: { status: 416, title: 'The range lies outside the content' },
  image_unreadable: { status: 422, title: 'The image cannot be read' },
  image_too_large: { status: 422, title: 'The image has too many pixels' },
  too_many_frames: { status: 422, title: 'The image has too many frames' },
  rate_limited: { status: 429, title: 'Too many requests', retryAfter: 5 },
  headers_too_large: { status: 431, title: 'The header fields are too large' },
  internal: { status: 500, title: 'The service failed' },
  overloaded: { status: 503, title: 'The service is busy', retryAfter: 2 },
  storage_unavailable: { status: 503, title: 'The storage is away', retryAfter: 5 },
  deadline_exceeded: { status: 503, title: 'The request took too long', retryAfter: 2 },
  outcome_unknown: { status: 503, title: 'The outcome is not known', retryAfter: 2 },
  content_missing: { status: 503, title: 'The bytes are not there', retryAfter: 1 },
  content_damaged: { status: 503, title: 'The stored bytes are damaged', retryAfter: 60 },
  storage_full: { status: 507, title: 'The storage is full' },
} as const satisfies Record<ErrorCode, Status>;

export function statusOf(code: ErrorCode): Status {
  return STATUSES[code];
}
