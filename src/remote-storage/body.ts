import { type Json, toJson } from '../contract/json.ts';
import { EVENT_VERSION, type EventType } from '../contract/messages.ts';

type About = {
  type: EventType;
  sourceId: string;
  correlationId: string;
  /** Milliseconds since the epoch. */
  now: number;
  ttlMs: number;
};

/** The JSON of a message. */
export function bodyOf(about: About, data: Json<unknown>): string {
  const { type, sourceId, correlationId, now, ttlMs } = about;
  const metadata = {
    event_type: type,
    event_version: EVENT_VERSION,
    source_id: sourceId,
    correlation_id: correlationId,
    timestamp: new Date(now).toISOString(),
    ttl: ttlMs / 1000,
  };
  return `{"metadata":${toJson(metadata)},"data":${data}}`;
}
