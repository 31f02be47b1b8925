import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countFrom } from '../faults/seeded.ts';
import { PLANTED_FAULT_NAMES, PLANTED_FAULTS, type PlantedFault } from './planted-fault.ts';
import { type Run, simulate } from './simulation.ts';

/** `npm run simulate` runs as many more as one likes. */
const SEEDS = countFrom('SEEDS', 120);
/** Each planted fault is found by one of so many; the code without it passes them all. */
const FAULT_SEEDS = 100;
const REPLAYED_SEEDS = [2, 11, 29];

describe('the hub and the storage, simulated', () => {
  test(`keep their promises whatever happens, in ${SEEDS} runs`, async () => {
    for (let seed = 0; seed < Math.max(SEEDS, FAULT_SEEDS); seed += 1) {
      const run = await simulate(seed);
      assert.equal(run.violation, undefined, told(run));
    }
  });

  test('do the same again from the same seed', async () => {
    for (const seed of REPLAYED_SEEDS) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      assert.deepEqual(second, first);
      assert.ok(first.trace.length > 20);
    }
  });

  test('do something else from another seed', async () => {
    assert.notDeepEqual((await simulate(1)).trace, (await simulate(2)).trace);
  });

  for (const fault of PLANTED_FAULT_NAMES) {
    test(`a fault is found: ${PLANTED_FAULTS[fault]}`, async (t) => {
      const run = await firstBroken(fault);
      assert.ok(run, `none of ${FAULT_SEEDS} seeds found it`);
      assert.ok(run.violation && !OF_ITSELF.includes(run.violation.invariant), told(run));
      t.diagnostic(told(run));
      assert.deepEqual(await simulate(run.seed, fault), run);
    });
  }
});

/** These tell of the simulation, not of what is simulated. */
const OF_ITSELF = ['a run ends', 'the scenario goes on'];

async function firstBroken(fault: PlantedFault): Promise<Run | undefined> {
  for (let seed = 0; seed < FAULT_SEEDS; seed += 1) {
    const run = await simulate(seed, fault);
    if (run.violation) return run;
  }
  return undefined;
}

function told({ seed, violation }: Run): string {
  return `${violation?.invariant}: ${violation?.detail}; npm run simulate -- --seed ${seed} --trace`;
}
