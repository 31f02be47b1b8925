import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { create, png } from '../../services/api.ts';
import { isInstalled, metricsOf, valueIn } from '../../services/metrics.ts';
import { startService } from '../../services/service.ts';

const service = await startService({});
after(() => service.close());
const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(service.url + path, init);
  await response.arrayBuffer();
  return response;
};

test('requests are counted by route, method and status, never by their path', async () => {
  const image = await create((path, init) => fetch(service.url + path, init));
  await ask(`/api/v2/images/${image.id}`);
  await ask('/no/such/place');
  await ask('/api/v2/images', { method: 'PURGE' });
  const text = await metricsOf(service.url);
  const count = 'dnd_http_request_duration_seconds_count';
  const got = '{route="/api/v2/images/:id",method="GET",status="200"}';
  assert.equal(valueIn(text, count + got), 1);
  assert.equal(valueIn(text, `${count}{route="other",method="GET",status="404"}`), 1);
  assert.ok(!text.includes(image.id), 'no id');
  assert.ok(!text.includes('no/such'), 'no path');
  assert.ok(!text.includes('PURGE'), 'no method of the client');
});

test('what was promised can be read from the buckets', async () => {
  await ask('/api/v2/images');
  const text = await metricsOf(service.url);
  for (const bound of ['0.025', '0.05', '0.1', '2']) {
    const series = `dnd_http_request_duration_seconds_bucket{le="${bound}",route="/api/v2/images",method="GET",status="200"}`;
    assert.ok(valueIn(text, series) !== undefined, series);
  }
});

test('uploads, equal copies, operations, errors and cache hits are counted', async () => {
  const bytes = await png(9, 9);
  const api = (path: string, init?: RequestInit) => fetch(service.url + path, init);
  const before = await metricsOf(service.url);
  const image = await create(api, {}, bytes);
  await create(api, {}, bytes);
  for (let time = 0; time < 3; time += 1) await ask(image.content.url);
  await ask('/api/v2/images?limit=0');
  const text = await metricsOf(service.url);
  const gained = (series: string) => (valueIn(text, series) ?? 0) - (valueIn(before, series) ?? 0);
  assert.equal(gained('dnd_uploads_total{known="false"}'), 1);
  assert.equal(gained('dnd_uploads_total{known="true"}'), 1);
  assert.equal(gained('dnd_uploaded_bytes_total'), 2 * bytes.length);
  const made = '{operation="create_image",outcome="success"}';
  assert.equal(gained(`dnd_storage_operation_duration_seconds_count${made}`), 2);
  assert.equal(gained('dnd_http_errors_total{code="invalid_request"}'), 1);
  const delivered = '{route="/api/v2/images/:id/content",method="GET",status="200"}';
  assert.equal(gained(`dnd_http_request_duration_seconds_count${delivered}`), 3);
  assert.equal(gained('dnd_delivery_cache_requests_total{outcome="miss"}'), 1);
  assert.equal(gained('dnd_delivery_cache_requests_total{outcome="hit"}'), 2);
  assert.equal(gained('dnd_delivery_cache_bytes'), image.content.size_bytes);
  assert.ok(valueIn(text, 'dnd_disk_bytes{what="free"}')! > 0);
  assert.equal(valueIn(text, 'dnd_decoder_jobs{state="running"}'), 0);
  assert.equal(valueIn(text, 'dnd_catalog_damaged'), 0);
});

test('what runs is told by labels', async () => {
  const text = await metricsOf(service.url);
  assert.match(
    text,
    /^dnd_build_info\{service="all_in_one",version="[^"]+",node="v\d+[^"]*"\} 1$/m,
  );
});

test('promtool finds nothing to object to', async (t) => {
  if (!(await isInstalled('promtool')))
    return t.skip('promtool is not installed (Debian: prometheus)');
  const checking = promisify(execFile)('promtool', ['check', 'metrics'], { timeout: 20_000 });
  checking.child.stdin!.end(await metricsOf(service.url));
  const { stdout, stderr } = await checking;
  assert.equal(stdout + stderr, '');
});

test('every metric has a row in the page for operators', async () => {
  const page = await readFile(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
  const names = [...(await metricsOf(service.url)).matchAll(/^# TYPE (dnd_\w+) /gm)];
  assert.ok(names.length > 20);
  for (const [, name] of names) assert.ok(page.includes(`\`${name!}\``), name!);
});
