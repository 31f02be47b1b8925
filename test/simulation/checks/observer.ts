import type { ImageEvent } from '../../../src/contract/storage.ts';
import type { MemoryBroker } from '../../../src/hub/memory-hub.ts';
import { RemoteEvents } from '../../../src/remote-storage/events.ts';
import type { World } from '../world/world.ts';

/** A consumer of events that is never away: it hears all of them, in order, and drops repetitions. */
export class Observer {
  /** By image; the first one is of version 1. */
  readonly events = new Map<string, ImageEvent[]>();
  readonly #world: World;

  constructor(world: World, broker: MemoryBroker) {
    this.#world = world;
    new RemoteEvents(broker.hub('observer'), () => {}).subscribe((event) => {
      if (event.event_type !== 'theme.changed') this.#hear(event);
    });
  }

  #hear(event: ImageEvent): void {
    const { image_id, version } = event.data;
    const heard = this.events.get(image_id) ?? [];
    this.events.set(image_id, heard);
    if (version <= heard.length) {
      if (heard[version - 1]?.message_id === event.message_id) return;
      this.#world.broken('an event keeps its message id', this.#describe(event));
      return;
    }
    if (version > heard.length + 1) {
      const detail = `${this.#describe(event)} after version ${heard.length}`;
      this.#world.broken('events of an image come in order, and all of them', detail);
    }
    heard.push(event);
  }

  #describe({ event_type, data }: ImageEvent): string {
    const name = this.#world.trace.name('image', data.image_id);
    return `${event_type} of version ${data.version} of ${name}`;
  }
}
