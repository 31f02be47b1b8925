import type { Chance } from '../../faults/seeded.ts';

/** What a run is like: how much of everything, and what goes wrong how often. */
export type Profile = {
  clients: number;
  /** Of each client. */
  operations: number;
  /** Different contents that are uploaded at the same time, and how often before others are. */
  contents: number;
  contentUses: number;
  /** Uploads that no write follows, once in so many operations. */
  givenUpOneIn: number;
  /** Longest time that a step of a message, and a call of a port, usually takes. */
  messageMs: number;
  portMs: number;
  /** Deaths at a step, once in so many; 0: never. The same for those below. */
  deathOneIn: number;
  deathsMax: number;
  /** Confirmations that come too late. */
  missOneIn: number;
  /** Answers of the content endpoint that get lost, and bodies that break off. */
  cutOneIn: number;
  diskFaultOneIn: number;
  /** Calls of the catalog that wait for a busy disk, up to half a minute. */
  stallOneIn: number;
  /** Time between two things that happen to processes and connections. */
  chaosMs: number;
  sweepMs: number;
  /** An hour passes within a moment. */
  jumps: boolean;
};

/** Not everything goes wrong in every run: what happens seldom is found among little else. */
export function profileOf(chance: Chance): Profile {
  const sometimes = (...values: number[]) => (chance.oneIn(2) ? 0 : chance.of(values));
  return {
    clients: 2 + chance.below(3),
    operations: 2 + chance.below(5),
    contents: 1 + chance.below(3),
    contentUses: chance.of([3, 6, 100]),
    givenUpOneIn: chance.of([2, 5, 20]),
    messageMs: chance.of([2, 20, 200, 3_000]),
    portMs: chance.of([5, 50, 500]),
    deathOneIn: sometimes(30, 100, 300),
    deathsMax: 1 + chance.below(6),
    missOneIn: sometimes(10, 50),
    cutOneIn: sometimes(5, 20),
    diskFaultOneIn: sometimes(10, 50),
    stallOneIn: sometimes(20, 100),
    chaosMs: chance.of([0, 500, 5_000, 20_000]),
    sweepMs: chance.of([1_000, 4_000, 20_000]),
    jumps: chance.oneIn(3),
  };
}
