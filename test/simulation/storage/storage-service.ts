import type { Hub, Received, Settlement } from '../../../src/hub/hub.ts';
import type { MemoryBroker, MemoryHub } from '../../../src/hub/memory-hub.ts';
import { sendEvent } from '../../../src/remote-storage/events.ts';
import { Responder } from '../../../src/remote-storage/responder.ts';
import { sending } from '../../../src/remote-storage/sending.ts';
import type { Catalog } from '../../../src/storage-service/catalog/catalog.ts';
import { KeyedLock } from '../../../src/storage-service/keyed-lock.ts';
import { Outbox } from '../../../src/storage-service/outbox.ts';
import { Store } from '../../../src/storage-service/store.ts';
import { Sweeper } from '../../../src/storage-service/sweeper.ts';
import type { PlantedFault } from '../planted-fault.ts';
import { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import { CatalogThreads } from './catalog-threads.ts';
import type { Disk } from './disk.ts';
import { SimulatedBlobs } from './simulated-blobs.ts';
import { SimulatedCatalog } from './simulated-catalog.ts';
import { SimulatedIntake } from './simulated-intake.ts';

type Surroundings = {
  world: World;
  disk: Disk;
  broker: MemoryBroker;
  planted: PlantedFault | undefined;
  /** Told of every commit. */
  committed(): void;
};

/** One process of the Storage Service, wired as `bin` does it, over what earlier ones left. */
export class StorageService {
  readonly process: Process;
  readonly hub: MemoryHub;
  readonly sweeper: Sweeper;
  readonly store: Store;
  /** Whether the content endpoint answers. */
  listening = false;
  readonly #surroundings: Surroundings;
  readonly #catalog: Catalog;
  readonly #log: ReturnType<typeof logOf>;
  #closing: (() => Promise<void>)[] = [];

  constructor(name: string, surroundings: Surroundings) {
    const { world, disk, broker, planted, committed } = surroundings;
    const process = new Process(world, name);
    const threads = new CatalogThreads(process, disk.db, {
      committed,
      answersBeforeCommit: planted === 'answer-before-commit',
    });
    const catalog = new SimulatedCatalog(threads, disk.leased);
    const blobs = new SimulatedBlobs(process, disk, planted === 'blob-not-synced');
    const intake = new SimulatedIntake(process, disk);
    const locks = new KeyedLock();
    const log = logOf(process);
    const sweeping = {
      catalog,
      blobs,
      intake,
      locks: planted === 'sweep-without-lock' ? new OpenLock() : locks,
      log,
      retentionDays: 30,
      intervalMs: 60_000,
    };
    this.process = process;
    this.sweeper = new Sweeper(sweeping);
    this.store = new Store({
      version: '0',
      catalog,
      blobs,
      observer: { damaged() {}, sound() {} },
      intake,
      sweeper: this.sweeper,
      locks,
    });
    this.hub = broker.hub(name);
    process.death.then(() => this.hub.close());
    this.#surroundings = surroundings;
    this.#catalog = catalog;
    this.#log = log;
  }

  async start(): Promise<void> {
    const { planted } = this.#surroundings;
    const { process, hub, store } = this;
    process.world.trace.say(process.name, 'starts');
    await this.sweeper.sweepNow();
    if (process.dead) return;
    const log = this.#log;
    const sourceId = 'storage_service';
    const outbox = new Outbox({
      catalog: planted === 'marked-before-published' ? markingEarly(this.#catalog) : this.#catalog,
      changes: store,
      publish: (recorded, signal) => sending(hub, signal, () => sendEvent(hub, sourceId, recorded)),
      log,
    });
    outbox.start();
    this.listening = true;
    const receiving = planted === 'settled-before-answer' ? settlingEarly(hub) : hub;
    const parts = { hub: receiving, storage: store, sourceId, log, count: () => {} };
    const responder = new Responder(parts, (error) => {
      process.world.broken('a restarted service gets the requests', error.message);
    });
    this.#closing = [
      () => responder.close(),
      async () => {
        this.listening = false;
      },
      () => outbox.stop(),
      () => hub.close(),
    ];
    process.world.trace.say(process.name, 'is ready');
  }

  /** An orderly end, as far as the process lives to see it. */
  async stop(): Promise<void> {
    this.process.world.trace.say(this.process.name, 'stops');
    for (const close of this.#closing) await close();
    this.process.die('it has stopped');
  }
}

/** A fault: nobody waits. */
class OpenLock extends KeyedLock {
  override hold<T>(_key: string, work: () => Promise<T>): Promise<T> {
    return work();
  }
}

/** A fault: the request is settled before anything came of it. */
function settlingEarly(hub: MemoryHub): Hub {
  const receiveRequests: Hub['receiveRequests'] = (take, refused) => {
    const takeAlone = async (message: Received): Promise<Settlement> => {
      take(message).catch(() => {});
      return 'done';
    };
    return hub.receiveRequests(takeAlone, refused);
  };
  return new Proxy(hub, {
    get: (_, name) => {
      if (name === 'receiveRequests') return receiveRequests;
      const value = Reflect.get(hub, name);
      return typeof value === 'function' ? value.bind(hub) : value;
    },
  });
}

/** A fault: events are marked, then published. */
function markingEarly(catalog: Catalog): Catalog {
  const unpublishedEvents: Catalog['unpublishedEvents'] = async (limit) => {
    const events = await catalog.unpublishedEvents(limit);
    const last = events.at(-1);
    if (last) await catalog.eventsPublished(last.place);
    return events;
  };
  return new Proxy(catalog, {
    get: (_, name) => {
      if (name === 'unpublishedEvents') return unpublishedEvents;
      const value = Reflect.get(catalog, name);
      return typeof value === 'function' ? value.bind(catalog) : value;
    },
  });
}

/** Failures that belong to a disk, a hub or a process that is away for a while. */
const FORESEEN: ReadonlySet<unknown> = new Set([
  'storage_unavailable',
  'outcome_unknown',
  'deadline_exceeded',
  'TimeoutError',
  'HubLostError',
  'The service is stopped.',
]);

function logOf(process: Process) {
  const { world, name } = process;
  const say = (data: object, message: string) => {
    if (process.dead) return;
    const { err } = data as { err?: Error & { code?: unknown } };
    world.trace.say(name, err ? `${message}: ${err.code ?? err.message}` : message);
    if (!err || [err.code, err.name, err.message].some((what) => FORESEEN.has(what))) return;
    world.broken('nothing fails in a way that nobody foresaw', `${message}: ${err.stack}`);
  };
  return { info: () => {}, warn: say, error: say };
}
