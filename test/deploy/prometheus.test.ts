import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ERROR_CODES } from '../../src/contract/errors.ts';
import { eventually } from '../services/data-folder.ts';
import { isInstalled, metricsOf } from '../services/metrics.ts';
import { startService } from '../services/service.ts';
import { startImages, startStorage } from '../services/two-services.ts';
import { startPrometheus } from './prometheus.ts';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = fileURLToPath(new URL('deploy/prometheus', ROOT));
const NO_BROKER = { MESSAGE_HUB_URL: 'amqp://guest:guest@127.0.0.1:1' };

const read = (path: string) => readFile(new URL(path, ROOT), 'utf8');
const alerts = await read('deploy/prometheus/alerts.yml');
const alertTests = await read('deploy/prometheus/alerts.test.yml');
const dashboard = await read('deploy/grafana/dashboard.json');

/** The text of each alert, by its name. */
const ALERTS = new Map(
  alerts
    .split('- alert: ')
    .slice(1)
    .map((text) => [text.split('\n', 1)[0]!, text] as const),
);

describe('what promtool says', async () => {
  const skip = !(await isInstalled('promtool')) && 'promtool is not installed (Debian: prometheus)';
  const promtool = async (...words: string[]) => {
    await promisify(execFile)('promtool', words, { cwd: FOLDER, timeout: 100_000 });
  };

  test('the configuration is valid', { skip }, () => promtool('check', 'config', 'prometheus.yml'));

  test('the rules are valid', { skip }, () => promtool('check', 'rules', 'alerts.yml'));

  test('each alert fires when it should, and none does while all is well', { skip }, () =>
    promtool('test', 'rules', 'alerts.test.yml'),
  );
});

test('each alert has a case in which it fires', () => {
  assert.ok(ALERTS.size > 15, `${ALERTS.size}`);
  const untested = [...ALERTS.keys()].filter((name) => !alertTests.includes(`alertname="${name}"`));
  assert.deepEqual(untested, []);
});

test('each alert says how grave it is, what happens, what users feel, and where to read on', () => {
  for (const [name, text] of ALERTS) {
    assert.match(text, /labels: \{ severity: (critical|warning) \}/, name);
    for (const annotation of ['summary', 'description', 'runbook']) {
      assert.match(text, new RegExp(`^ {10}${annotation}: `, 'm'), `${name}: ${annotation}`);
    }
  }
});

test('each alert leads to a section that is there', async () => {
  const sections = anchorsOf(await read('docs/operating.md'));
  const missing = [...ALERTS].flatMap(([name, text]) => {
    const [, anchor] = text.match(/runbook: docs\/operating\.md#(\S+)/) ?? [];
    return anchor !== undefined && sections.has(anchor) ? [] : [`${name}: ${anchor}`];
  });
  assert.deepEqual(missing, []);
});

test('alerts and dashboard ask for nothing that the services do not tell', async () => {
  await using one = await startService();
  await using storage = await startStorage(NO_BROKER);
  await using images = await startImages({ ...NO_BROKER, STORAGE_SERVICE_URL: storage.url });
  const texts = await Promise.all([one, storage, images].map(({ url }) => metricsOf(url)));
  const told = new Set(texts.flatMap(seriesIn));
  for (const [file, text] of Object.entries({ alerts, alertTests, dashboard })) {
    const asked = new Set(text.match(/\b(dnd|nodejs|process)_\w+/g));
    assert.ok(asked.size > 10, file);
    assert.deepEqual(
      [...asked].filter((name) => !told.has(name)),
      [],
      file,
    );
  }
});

test('alerts and dashboard ask for no error that does not exist', () => {
  const codes: ReadonlySet<string> = new Set(ERROR_CODES);
  for (const [file, text] of Object.entries({ alerts, alertTests, dashboard })) {
    const asked = [...text.matchAll(/\bcode=~?\\?"([\w|]+)/g)].flatMap(([, list]) =>
      list!.split('|'),
    );
    assert.ok(asked.length > 0, file);
    assert.deepEqual(
      asked.filter((code) => !codes.has(code)),
      [],
      file,
    );
  }
});

test('each panel says what it shows, in which unit, and where the numbers come from', () => {
  const { panels } = JSON.parse(dashboard) as { panels: Panel[] };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const panel of panels) {
    assert.ok(panel.title);
    if (panel.type === 'row') continue;
    assert.ok(panel.description, panel.title);
    assert.ok(panel.fieldConfig?.defaults.unit, panel.title);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
    assert.equal(panel.datasource?.uid, '${datasource}', panel.title);
    assert.ok(
      panel.targets?.every(({ expr }) => expr !== ''),
      panel.title,
    );
  }
});

test('Prometheus takes the configuration, looks at both services and works out every rule and panel', async (t) => {
  if (!(await isInstalled('prometheus')))
    return t.skip('prometheus is not installed (Debian: prometheus)');
  await using storage = await startStorage(NO_BROKER);
  await using images = await startImages({ ...NO_BROKER, STORAGE_SERVICE_URL: storage.url });
  await using prometheus = await startPrometheus(FOLDER, { image: images, storage });
  await eventually(async () => {
    const { activeTargets } = await prometheus.ask<Targets>('targets');
    const health = activeTargets.map(({ labels, health }) => [labels.job, health]);
    assert.deepEqual(Object.fromEntries(health), { image: 'up', storage: 'up' });
  }, 30_000);
  await eventually(async () => {
    const { groups } = await prometheus.ask<Groups>('rules');
    const rules = groups.flatMap((group) => group.rules);
    assert.deepEqual(new Set(rules.map(({ name }) => name)), new Set(ALERTS.keys()));
    for (const { name, health, lastError } of rules) assert.equal(health, 'ok', name + lastError);
    // Neither service finds its hub.
    const seen = rules.find(({ name }) => name === 'HubDisconnected')?.alerts.length;
    assert.equal(seen, 2);
  }, 30_000);
  const { panels } = JSON.parse(dashboard) as { panels: Panel[] };
  for (const { expr } of panels.flatMap(({ targets }) => targets ?? [])) {
    const query = expr.replaceAll('$job', '.*').replaceAll('$__rate_interval', '1m');
    await prometheus.ask(`query?${new URLSearchParams({ query })}`);
  }
});

type Panel = {
  id: number;
  type: string;
  title?: string;
  description?: string;
  datasource?: { uid: string };
  targets?: { expr: string }[];
  fieldConfig?: { defaults: { unit?: string } };
};
type Targets = { activeTargets: { labels: { job: string }; health: string }[] };
type Rule = { name: string; health: string; lastError?: string; alerts: object[] };
type Groups = { groups: { rules: Rule[] }[] };

/** Names of time series; those of a histogram end in what they count. */
function seriesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name, type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name!],
  );
}

/** Where the headings of a document are found, as GitHub has it. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#{2,3} (.+)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-'),
    ),
  );
}
