import { Compile } from 'typebox/compile';
import { toJson } from '../contract/json.ts';
import { EVENT_NAMES, EVENTS } from '../contract/messages.ts';
import type { StorageEvent, StorageEvents } from '../contract/storage.ts';
import type { Hub, Received, Reception } from '../hub/hub.ts';
import { bodyOf } from './body.ts';
import type { Count } from './count.ts';

/** An event is news for a day: whoever hears of it later reads anew. */
const EVENT_TTL_MS = 24 * 60 * 60 * 1000;

/** Sends an event; the same one has the same message id each time. Throws what the hub does. */
export async function sendEvent(
  hub: Hub,
  sourceId: string,
  recorded: { event: StorageEvent; created_at: number; operation_id: string | null },
): Promise<void> {
  const { event, created_at, operation_id } = recorded;
  const { message_id, event_type: type, data } = event;
  const correlationId = operation_id ?? message_id;
  const about = { type, sourceId, correlationId, now: created_at, ttlMs: EVENT_TTL_MS };
  await hub.sendEvent({
    type,
    message_id,
    correlation_id: correlationId,
    timestamp: created_at,
    body: bodyOf(about, toJson(data)),
  });
}

const checks = new Map(EVENT_NAMES.map((name) => [name, Compile(EVENTS[name])]));

/** Changes that other processes announce. */
export class RemoteEvents implements StorageEvents {
  readonly #listeners = new Map<(event: StorageEvent) => void, () => void>();
  readonly #hub: Hub;
  readonly #count: Count;
  readonly #reception: Reception;

  constructor(hub: Hub, count: Count) {
    this.#hub = hub;
    this.#count = count;
    this.#reception = hub.receiveEvents(
      (message) => this.#take(message),
      () => {
        for (const missed of this.#listeners.values()) missed();
      },
    );
  }

  get heard(): boolean {
    return this.#hub.connected;
  }

  subscribe(listener: (event: StorageEvent) => void, missed: () => void = () => {}): () => void {
    this.#listeners.set(listener, missed);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return this.#reception.close();
  }

  #take({ body, message_id }: Received): void {
    const { metadata, data } = (body ?? {}) as {
      metadata?: { event_type?: unknown };
      data?: unknown;
    };
    const event_type = EVENT_NAMES.find((name) => name === metadata?.event_type);
    if (!event_type || message_id === undefined || !checks.get(event_type)?.Check(data)) {
      this.#count('malformed', 'other');
      return;
    }
    this.#count('received', event_type);
    const event = { message_id, event_type, data } as StorageEvent;
    for (const listener of this.#listeners.keys()) listener(event);
  }
}
