import { REQUEST, RESPONSE } from '../../../src/contract/messages.ts';
import { MemoryBroker } from '../../../src/hub/memory-hub.ts';
import type { Passage } from '../../../src/hub/memory-queue.ts';
import { Edge } from '../edge/edge.ts';
import type { PlantedFault } from '../planted-fault.ts';
import { Disk } from '../storage/disk.ts';
import { StorageService } from '../storage/storage-service.ts';
import { Network } from './network.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

const EDGES = 2;
const RESTART_MAX_MS = 10_000;

/** All processes of a run: whichever dies is started again, over what it left. */
export class Cluster {
  readonly disk: Disk;
  readonly broker: MemoryBroker;
  readonly edges: Edge[] = [];
  service: StorageService;
  /** Requests that the broker took, and those for which it took an answer; by message id. */
  readonly requested = new Set<string>();
  readonly answered = new Set<string>();
  readonly #world: World;
  readonly #planted: PlantedFault | undefined;
  readonly #processes = new Map<string, Process>();
  readonly #committed: () => void;
  #started = 0;

  constructor(world: World, planted: PlantedFault | undefined, committed: () => void) {
    this.#world = world;
    this.#planted = planted;
    this.#committed = committed;
    this.disk = new Disk(world);
    this.broker = new MemoryBroker(new Network(world, (passage) => this.#passed(passage)).carry);
    this.service = this.#startService();
    for (let index = 0; index < EDGES; index += 1) this.#startEdge(index);
  }

  /** Any edge. */
  edge(): Edge {
    return this.#world.chance.of(this.edges);
  }

  #startService(): StorageService {
    const service = new StorageService(`storage${++this.#started}`, {
      world: this.#world,
      disk: this.disk,
      broker: this.broker,
      planted: this.#planted,
      committed: this.#committed,
    });
    this.#watch(service.process, () => {
      if (this.#world.chance.oneIn(2)) {
        this.#world.trace.say(service.process.name, 'and so does its machine');
        this.disk.cutPower();
      }
      return () => {
        this.service = this.#startService();
      };
    });
    service.start();
    return service;
  }

  #startEdge(index: number): void {
    const parts = { world: this.#world, broker: this.broker, service: () => this.service };
    const edge = new Edge(`edge${++this.#started}`, parts);
    this.edges[index] = edge;
    this.#watch(edge.process, () => () => this.#startEdge(index));
  }

  #watch(process: Process, died: () => () => void): void {
    this.#processes.set(process.name, process);
    process.death.then(() => {
      this.#processes.delete(process.name);
      this.#world.time.after(this.#world.delay(RESTART_MAX_MS), died());
    });
  }

  #passed({ step, lane, message }: Passage): void {
    if (step === 'send' && 'type' in message) {
      const { declared } = this.broker.queue;
      if (message.type === REQUEST && declared) this.requested.add(message.message_id);
      if (message.type === RESPONSE) this.answered.add(message.in_reply_to!);
    }
    this.#processes.get(lane.split(' ')[0]!)?.mayDie(`after the step ${step}`);
  }
}
