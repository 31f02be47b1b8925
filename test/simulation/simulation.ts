import { ServiceError } from '../../src/contract/errors.ts';
import { fromJson } from '../../src/contract/json.ts';
import { PAGE_MAX_ITEMS } from '../../src/contract/limits.ts';
import { Observer } from './checks/observer.ts';
import { promisesKept } from './checks/promises-kept.ts';
import { StateChecks } from './checks/state-checks.ts';
import { ask } from './clients/calls.ts';
import { Client } from './clients/client.ts';
import { Contents } from './clients/contents.ts';
import { Ledger } from './clients/ledger.ts';
import type { PlantedFault } from './planted-fault.ts';
import { chaos, sweeping } from './world/chaos.ts';
import { Cluster } from './world/cluster.ts';
import { settled } from './world/virtual-time.ts';
import { type Violation, World } from './world/world.ts';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** All that is under way has an end by then: deadlines, restarts, the outbox. */
const REST_MS = 90 * 1000;
/** Longer than any run takes: one that does not end is a fault as well. */
const STEPS_MAX = 200_000;

export type Run = {
  seed: number;
  steps: number;
  violation: Violation | undefined;
  trace: readonly string[];
};

/** One run of everything from one seed: the same seed gives the same run, step by step. */
export async function simulate(seed: number, planted?: PlantedFault): Promise<Run> {
  const world = new World(seed);
  const restore = world.time.install();
  const unhandled = (error: unknown) =>
    world.broken('every failure is handled', error instanceof Error ? error.stack! : `${error}`);
  process.on('unhandledRejection', unhandled);
  let steps = 0;
  try {
    let ended = false;
    new Scenario(world, planted).run().then(
      () => {
        ended = true;
      },
      (error) => world.broken('the scenario goes on', error.stack),
    );
    await settled();
    while (!ended && !world.violation) {
      steps += 1;
      if (steps > STEPS_MAX) world.broken('a run ends', `this one took ${steps} steps`);
      else if (!(await world.time.step())) world.broken('a run ends', 'everything waits for ever');
    }
  } finally {
    process.off('unhandledRejection', unhandled);
    restore();
  }
  return { seed, steps, violation: world.violation, trace: world.trace.lines };
}

class Scenario {
  readonly #world: World;
  readonly #planted: PlantedFault | undefined;
  readonly #cluster: Cluster;
  readonly #checks: StateChecks;
  readonly #observer: Observer;
  readonly #ledger: Ledger;

  constructor(world: World, planted: PlantedFault | undefined) {
    this.#world = world;
    this.#planted = planted;
    this.#checks = new StateChecks(world, () => this.#cluster.disk);
    this.#cluster = new Cluster(world, planted, () => this.#checks.bytesAreThere());
    this.#observer = new Observer(world, this.#cluster.broker);
    this.#ledger = new Ledger(world);
  }

  async run(): Promise<void> {
    const { profile, chance, time } = this.#world;
    this.#world.trace.say('run', JSON.stringify(profile));
    const chaotic = chaos(this.#world, this.#cluster);
    const swept = sweeping(this.#world, this.#cluster);
    const clients = this.#clients();
    const work = () => Promise.all(clients.map((client) => client.run(profile.operations)));
    await work();
    if (chance.oneIn(3)) {
      this.#world.pass(25 * HOUR_MS);
      await work();
    }
    this.#world.trace.say('run', 'nothing goes wrong any more');
    this.#world.wild = false;
    await Promise.all([chaotic, swept]);
    await time.sleep(REST_MS);
    await this.#checkWrites();
    await this.#checkSweeps();
    this.#cluster.disk.db.close();
  }

  #clients(): Client[] {
    const { profile } = this.#world;
    const parts = {
      world: this.#world,
      ledger: this.#ledger,
      contents: new Contents(this.#world),
      planted: this.#planted,
      edge: () => this.#cluster.edge(),
    };
    return Array.from({ length: profile.clients }, (_, index) => {
      return new Client(`client${index + 1}`, parts);
    });
  }

  async #checkWrites(): Promise<void> {
    const { broker, requested, answered } = this.#cluster;
    const images = this.#checks.images();
    promisesKept(this.#world, this.#ledger, { images, events: this.#observer.events });
    this.#checks.catalogIsSound();
    this.#checks.bytesAreThere();
    const { requests, dead } = broker.queue;
    for (const { message_id } of dead) answered.add(message_id!);
    const lost = [...requested.difference(answered)];
    if (requests.length > 0 || lost.length > 0) {
      const names = lost.map((id) => this.#world.trace.name('message', id));
      const detail = `${requests.length} still wait, of no outcome: ${names.join(', ') || 'none'}`;
      this.#world.broken('every request that the hub took is answered or dead-lettered', detail);
    }
    const live = images.filter(({ deleted_at }) => deleted_at === null).map(({ id }) => id);
    const listed = await this.#list();
    if (listed.toSorted().join() !== live.toSorted().join()) {
      const detail = `${listed.length} are listed of ${live.length}`;
      this.#world.broken('every image is found, once', detail);
    }
  }

  async #list(): Promise<string[]> {
    const operationId = '00000000-0000-4000-8000-000000000000';
    const asking = { edge: this.#cluster.edge(), operationId, maxMs: 5_000 };
    try {
      const filter = { theme: ['fantasy'], q: 'clien', limit: PAGE_MAX_ITEMS };
      const page = await ask(asking, (storage, call) => storage.listImages(filter, call));
      return fromJson(page).items.map(({ id }) => id);
    } catch (error) {
      const code = error instanceof ServiceError ? error.code : `${error}`;
      this.#world.broken('when nothing goes wrong, everything is answered', `a list: ${code}`);
      return [];
    }
  }

  async #checkSweeps(): Promise<void> {
    for (const hours of [2, 25]) await this.#sweepAfter(hours * HOUR_MS);
    this.#checks.nothingLeftOver('once all leases have expired');
    // Deleted images are purged, and keep their bytes for another day.
    for (const days of [31, 2]) await this.#sweepAfter(days * DAY_MS);
    this.#checks.nothingLeftOver('once deleted images are purged');
    if (this.#checks.images().some(({ deleted_at }) => deleted_at !== null)) {
      this.#world.broken('a sweep leaves nothing over', 'deleted images are not purged');
    }
    this.#checks.catalogIsSound();
    this.#checks.bytesAreThere();
  }

  async #sweepAfter(ms: number): Promise<void> {
    this.#world.pass(ms);
    await this.#cluster.service.sweeper.sweepNow();
  }
}
