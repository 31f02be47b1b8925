import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram, Registry } from 'prom-client';
import { DurationHistogram } from '../../src/telemetry/duration-histogram.ts';

test('it writes what the histogram of prom-client writes of the same durations', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const [name, help] = ['answers_seconds', 'How long answers took'];
  const labels = ['route', 'status'] as const;
  const tried = new DurationHistogram(name, { help, labels }, ours);
  const durations = [0, 0.001, 0.0010001, 0.0625, 2, 30, 30.5, 4_000];
  for (const route of ['/a', '/b "quoted"\n']) {
    for (const seconds of durations) tried.observe([route, '200'], seconds);
  }
  tried.observe(['/a', '304'], 0.5);

  const written = await ours.metrics();
  const buckets = [
    ...new Set(written.matchAll(/le="([\d.]+)"/g).map(([, bound]) => Number(bound))),
  ];
  assert.ok(buckets.length > 10, written);
  const peer = new Histogram({ name, help, labelNames: labels, buckets, registers: [theirs] });
  for (const route of ['/a', '/b "quoted"\n']) {
    for (const seconds of durations) peer.observe({ route, status: '200' }, seconds);
  }
  peer.observe({ route: '/a', status: '304' }, 0.5);
  assert.equal(written, await theirs.metrics());
});
