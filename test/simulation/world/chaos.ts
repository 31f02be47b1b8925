import type { MemoryHub } from '../../../src/hub/memory-hub.ts';
import type { Cluster } from './cluster.ts';
import type { World } from './world.ts';

const HOUR_MS = 60 * 60 * 1000;
/** What goes wrong for ever lets nothing come about that could be wrong. */
const HAPPENINGS_MAX = 30;
/** Together less than a day: so long the outcome of an operation is kept for its repetition. */
const JUMPS_MAX = 8;
const AWAY_MAX_MS = 8_000;
/** What a deadline lasts longer then must have ended when the run is at rest. */
const BACK_MAX_MS = 8_000;

/** What happens to processes, connections and clocks by themselves, as long as the run is wild. */
export async function chaos(world: World, cluster: Cluster): Promise<void> {
  const { chance, time, profile } = world;
  if (profile.chaosMs === 0) return;
  // Only some of it in each run.
  const happenings = HAPPENINGS.filter(() => chance.oneIn(2));
  if (profile.jumps) happenings.push(jump);
  if (happenings.length === 0) return;
  for (let happened = 0; happened < HAPPENINGS_MAX; happened += 1) {
    await time.sleep(chance.below(2 * profile.chaosMs));
    if (!world.wild) return;
    chance.of(happenings)(world, cluster);
  }
}

const HAPPENINGS: ((world: World, cluster: Cluster) => void)[] = [
  (_world, { service }) => service.process.die('it is killed'),
  (_world, { service }) => void service.stop(),
  (_world, cluster) => cluster.edge().process.die('it is killed'),
  (world, { service }) => lose(world, service.hub, service.process.name),
  (world, cluster) => {
    const { hub, process } = cluster.edge();
    lose(world, hub, process.name);
  },
  (world, { service, edges }) => {
    for (const { hub, process } of [service, ...edges]) lose(world, hub, process.name);
  },
];

function lose(world: World, hub: MemoryHub, name: string): void {
  const what = world.chance.of(['both', 'sending', 'receiving'] as const);
  world.trace.say(name, `loses its connections: ${what}`);
  hub.lose(what);
  world.time.after(world.delay(AWAY_MAX_MS), () => {
    world.trace.say(name, 'is connected again');
    hub.reconnect();
  });
}

function jump(world: World): void {
  if (world.jumps >= JUMPS_MAX) return;
  if (world.chance.oneIn(2)) world.setBack(world.between(1, BACK_MAX_MS));
  else world.pass(world.between(HOUR_MS, 2 * HOUR_MS));
}

/** Sweeps, one after the other, by whichever process has the state. */
export async function sweeping(world: World, cluster: Cluster): Promise<void> {
  while (world.wild) {
    await world.time.sleep(world.delay(2 * world.profile.sweepMs));
    const { service } = cluster;
    if (!service.listening) continue;
    await Promise.race([service.sweeper.sweepNow(), service.process.death]);
  }
}
