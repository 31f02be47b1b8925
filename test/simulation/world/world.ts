import { type Chance, seeded } from '../../faults/seeded.ts';
import { type Profile, profileOf } from './profile.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';

/** What must never be, and was. */
export type Violation = { invariant: string; detail: string };

/** Whatever takes time, while nothing goes wrong. */
const CALM_MAX_MS = 20;

/** What all parts of one run share: its chance, its time, and what has happened. */
export class World {
  readonly chance: Chance;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly profile: Profile;
  violation: Violation | undefined;
  /** While it is false nothing new goes wrong. */
  wild = true;
  /** How often the clock has jumped. */
  jumps = 0;
  #deaths = 0;

  constructor(seed: number) {
    this.chance = seeded(seed);
    this.time = new VirtualTime(this.chance);
    this.trace = new Trace(() => this.time.elapsedMs);
    this.profile = profileOf(this.chance);
  }

  /** The first one counts: what follows may be its consequence. */
  broken(invariant: string, detail: string): void {
    if (this.violation) return;
    this.violation = { invariant, detail };
    this.trace.say('INVARIANT', `${invariant}: ${detail}`);
  }

  /** Of something that goes wrong: true once in so many times, never for 0. */
  goesWrong(oneIn: number): boolean {
    return this.wild && oneIn > 0 && this.chance.oneIn(oneIn);
  }

  /** A death at a step, as long as there may be more. */
  dies(): boolean {
    const { deathOneIn, deathsMax } = this.profile;
    if (this.#deaths >= deathsMax || !this.goesWrong(deathOneIn)) return false;
    this.#deaths += 1;
    return true;
  }

  /** Time passes within a moment. */
  pass(ms: number): void {
    this.jumps += 1;
    this.trace.say('clock', `${(ms / 3_600_000).toFixed(1)} hours pass`);
    this.time.jump(ms);
  }

  /** A clock that was ahead is set right. */
  setBack(ms: number): void {
    this.jumps += 1;
    this.trace.say('clock', `it is set back by ${(ms / 1_000).toFixed(1)} s`);
    this.time.setClock(-ms);
  }

  /** Mostly short, seldom long. */
  delay(usualMs: number): number {
    if (!this.wild) return this.chance.below(CALM_MAX_MS);
    const factor = this.chance.oneIn(20) ? 10 : 1;
    return (this.chance.below(1_000) / 1_000) * usualMs * factor;
  }

  between(minMs: number, maxMs: number): number {
    return minMs + this.chance.below(maxMs - minMs);
  }

  /** The same when the run is run again. */
  uuid(): string {
    const digits = Array.from({ length: 32 }, () => this.chance.below(16).toString(16));
    return digits.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
}
