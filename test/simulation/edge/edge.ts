import type { Storage } from '../../../src/contract/storage.ts';
import type { MemoryBroker, MemoryHub } from '../../../src/hub/memory-hub.ts';
import { RemoteEvents } from '../../../src/remote-storage/events.ts';
import { RemoteStorage } from '../../../src/remote-storage/remote-storage.ts';
import { Requester } from '../../../src/remote-storage/requester.ts';
import type { StorageService } from '../storage/storage-service.ts';
import { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import { ContentWire } from './content-wire.ts';

/** To a client: its connection broke, because the edge died. */
export class EdgeGoneError extends Error {
  override readonly name = 'EdgeGoneError';
}

type Surroundings = { world: World; broker: MemoryBroker; service: () => StorageService };

/** One process of the Image Service, without its HTTP: what its routes ask of the storage. */
export class Edge {
  readonly process: Process;
  readonly hub: MemoryHub;
  readonly #storage: RemoteStorage;
  readonly #gone: Promise<never>;
  /** The highest version of each image that was heard of or made here. */
  readonly #known = new Map<string, number>();

  constructor(name: string, { world, broker, service }: Surroundings) {
    this.process = new Process(world, name);
    this.hub = broker.hub(name);
    const count = () => {};
    const events = new RemoteEvents(this.hub, count);
    const contents = new ContentWire(this.process, service);
    const requester = new Requester(this.hub, 'image_service', count);
    const storage = new RemoteStorage(requester, contents);
    events.subscribe(
      ({ data }) => {
        storage.changed();
        if ('image_id' in data) this.learn(data.image_id, data.version);
      },
      () => storage.changed(),
    );
    this.#storage = storage;
    this.#gone = this.process.death.then(() => {
      this.hub.close();
      throw new EdgeGoneError();
    });
    this.#gone.catch(() => {});
    world.trace.say(name, 'is ready');
  }

  /** What a client asks of it; fails when the process dies meanwhile. */
  run<T>(ask: (storage: Storage) => Promise<T>): Promise<T> {
    return Promise.race([ask(this.#storage), this.#gone]);
  }

  learn(imageId: string, version: number): void {
    this.#known.set(imageId, Math.max(version, this.known(imageId)));
  }

  known(imageId: string): number {
    return this.#known.get(imageId) ?? 0;
  }
}
