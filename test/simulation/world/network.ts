import type { Connection, Passage } from '../../../src/hub/memory-queue.ts';
import { MOMENT_MS } from './virtual-time.ts';
import type { World } from './world.ts';

/** How long the sender of a message waits for its confirmation. */
const CONFIRM_MAX_MS = 10_000;

/**
 * Carries the steps of messages: each takes its time, those of one lane stay in order. On a
 * connection that was lost some still arrive, up to one that does not.
 */
export class Network {
  readonly #world: World;
  readonly #lanes = new Map<string, number>();
  readonly #cut = new WeakSet<Connection>();
  readonly #passed: (passage: Passage) => void;

  /** `passed` is told of each step that came to pass. */
  constructor(world: World, passed: (passage: Passage) => void) {
    this.#world = world;
    this.#passed = passed;
  }

  readonly carry = (passage: Passage): void => {
    const { time, profile } = this.#world;
    const soon = time.exactNow + this.#world.delay(profile.messageMs);
    const at = Math.max(soon, (this.#lanes.get(passage.lane) ?? 0) + MOMENT_MS);
    this.#lanes.set(passage.lane, at);
    time.at(at, () => this.#arrive(passage));
  };

  #arrive(passage: Passage): void {
    const { step, lane, connection, miss } = passage;
    const { chance, time, trace, profile } = this.#world;
    if (connection.lost) {
      const mayArrive = step === 'send' || step === 'settle';
      if (!mayArrive || this.#cut.has(connection) || chance.oneIn(2)) {
        this.#cut.add(connection);
        trace.say(lane, `${step} of ${this.describe(passage)} is lost`);
        return;
      }
    }
    if (miss && this.#world.goesWrong(profile.missOneIn)) {
      trace.say(lane, `confirm of ${this.describe(passage)} comes too late`);
      time.after(CONFIRM_MAX_MS, miss);
      return;
    }
    trace.say(lane, `${step} of ${this.describe(passage)}`);
    passage.run();
    this.#passed(passage);
  }

  describe({ message }: Passage): string {
    return this.#world.trace.name('message', message.message_id);
  }
}
