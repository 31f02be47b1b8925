import type { Finding, Run } from '../measure/question.ts';
import { NODE, ROOT, serve } from '../measure/served-process.ts';
import { alternate, median, medianRatio, percentile } from '../measure/statistics.ts';
import { EchoClient } from './echo-client.ts';
import { HubClient } from './hub-client.ts';
import type { TwoServices } from './two-services.ts';

const ROUNDS = 5;
const CALLS_A_ROUND = 200;

/** Commands over the hub, one at a time, from this process, beside an echo on the same broker. */
export async function roundTrips(
  services: TwoServices,
  hubs: { services: string; echo: string },
  ids: readonly string[],
  { signal, progress }: Run,
): Promise<Finding[]> {
  await using _echoing = await serve(NODE, [`${ROOT}bench/floors/echo-rpc.ts`, hubs.echo], signal);
  await using echo = await EchoClient.connect(hubs.echo);
  await using client = await HubClient.connect(hubs.services, services, signal);
  const subject =
    (name: string, call: (id: string, index: number) => Promise<void>) => async (round: number) => {
      progress(`${name}, round ${round} of ${ROUNDS}`);
      const times: number[] = [];
      for (let index = 0; index < CALLS_A_ROUND; index++) {
        signal.throwIfAborted();
        const before = performance.now();
        await call(ids[index % ids.length]!, index);
        times.push(performance.now() - before);
      }
      return times;
    };
  const measured = await alternate(ROUNDS + 1, {
    echo: subject('echo', () => echo.ask()),
    get: subject('get_image', (id) => client.getImage(id)),
    update: subject('update_image', (id, index) => client.updateImage(id, `bench ${index}`)),
  });
  const of = (name: keyof typeof measured, share: number) =>
    // The first round warms up.
    measured[name].slice(1).map((times) => percentile(times, share));
  const against = (name: 'get' | 'update', share: number) => ({
    unit: 'ms',
    ours: median(of(name, share)),
    peer: { name: 'echo', value: median(of('echo', share)) },
    ratio: medianRatio(of(name, share), of('echo', share)),
  });
  return [
    {
      what: 'get_image over the hub: p50',
      ...against('get', 0.5),
      target: { of: 'ratio', atMost: 1.6 },
    },
    { what: 'get_image over the hub: p99', ...against('get', 0.99) },
    {
      what: 'update_image over the hub: p50',
      ...against('update', 0.5),
      target: { of: 'ratio', atMost: 3 },
    },
    { what: 'update_image over the hub: p99', ...against('update', 0.99) },
  ];
}
