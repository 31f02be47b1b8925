import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { imageServiceCommandSettings } from '../../bin/image-service.ts';
import { storageServiceCommandSettings } from '../../bin/storage-service.ts';

/** What the deployments name exists: images, commands, settings, files, and each other. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OUR_IMAGE = /^(localhost\/)?dnd-image-service$/;
/** Another image has a version, so that the next start brings nothing new. */
const PINNED = /^docker\.io\/[a-z]+\/[a-z-]+:v?\d+\.\d+\.\d+$/;
const SETTINGS: Record<string, object> = {
  'image-service': imageServiceCommandSettings,
  'storage-service': storageServiceCommandSettings,
};

type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };
type Variable = { name: string; valueFrom?: { secretKeyRef: { name: string; key: string } } };
type Manifest = {
  kind: string;
  metadata: { name: string };
  stringData?: Record<string, string>;
  spec: {
    selector: Record<string, unknown> & { matchLabels?: object };
    template: {
      metadata: { labels: object };
      spec: {
        containers: { image: string; args: string[]; env: Variable[] }[];
        volumes?: { persistentVolumeClaim: { claimName: string } }[];
      };
    };
  };
};

describe('compose.yaml', async () => {
  const [compose] = await documents<Compose>('compose.yaml');
  const { services, volumes } = compose!;
  for (const [name, service] of Object.entries(services)) {
    test(`${name}: names an image, a command, settings and files that exist`, () => {
      assertRuns(service.image, service.command, Object.keys(service.environment ?? {}));
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        assert.ok(source.startsWith('./') ? existsSync(join(ROOT, source)) : source in volumes);
      }
    });
  }
});

describe('deploy/kubernetes', async () => {
  const manifests = await documents<Manifest>('deploy/kubernetes/*.yaml');
  const named = (kind: string, name: string) =>
    manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const deployments = manifests.filter(({ kind }) => kind === 'Deployment');

  for (const { metadata, spec } of deployments) {
    test(`${metadata.name}: names an image, a command, settings and a secret that exist`, () => {
      const [container] = spec.template.spec.containers;
      const { image, args, env } = container!;
      const variables = env.map(({ name }) => name);
      assertRuns(image, args, variables);
      for (const { valueFrom } of env) {
        if (!valueFrom) continue;
        const { name, key } = valueFrom.secretKeyRef;
        assert.ok(named('Secret', name)?.stringData?.[key]);
      }
      for (const { persistentVolumeClaim } of spec.template.spec.volumes ?? []) {
        assert.ok(named('PersistentVolumeClaim', persistentVolumeClaim.claimName));
      }
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
    });
  }

  test('every Service and PodDisruptionBudget is about a Deployment', () => {
    const labels = deployments.map(({ spec }) => spec.template.metadata.labels);
    const about = manifests.filter(({ kind }) => /^(Service|PodDisruptionBudget)$/.test(kind));
    assert.equal(about.length, 3);
    for (const { spec } of about) {
      const selector = JSON.stringify(spec.selector.matchLabels ?? spec.selector);
      assert.ok(labels.some((found) => JSON.stringify(found) === selector));
    }
  });
});

describe('deploy/quadlet', () => {
  const paths = globSync('deploy/quadlet/*', { cwd: ROOT });
  const units = paths.map((path) => path.slice('deploy/quadlet/'.length));
  for (const unit of units.filter((name) => name.endsWith('.container'))) {
    test(`${unit}: names an image, a command, settings and units that exist`, () => {
      const lines = readFileSync(join(ROOT, 'deploy/quadlet', unit), 'utf8').split('\n');
      const values = (key: string) =>
        lines.flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
      for (const line of lines) assert.match(line, /^(|#.*|\[\w+\]|[A-Z]\w+=.+)$/);
      const variables = values('Environment').map((setting) => setting.split('=')[0]!);
      const exec = values('Exec')[0]?.split(' ');
      assertRuns(values('Image')[0]!, exec, variables);
      const joined = [...values('Network'), ...values('Volume')].map((name) => name.split(':')[0]!);
      for (const name of joined) assert.ok(units.includes(name), name);
      for (const name of [...values('Wants'), ...values('After')].flatMap((all) =>
        all.split(' '),
      )) {
        assert.ok(units.includes(name.replace(/\.service$/, '.container')), name);
      }
      assert.deepEqual(values('DropCapability'), ['all']);
      assert.deepEqual(values('NoNewPrivileges'), ['true']);
    });
  }
});

describe('deploy/grafana/provisioning', () => {
  test('every file is YAML', async () => {
    assert.equal((await documents('deploy/grafana/provisioning/*/*.yaml')).length, 2);
  });
});

function assertRuns(image: string, args: string[] | undefined, variables: string[]): void {
  if (!OUR_IMAGE.test(image)) {
    assert.match(image, PINNED);
    return;
  }
  const [command = 'image-service'] = args ?? [];
  assert.ok(existsSync(join(ROOT, `bin/${command}.ts`)), command);
  const settings = Object.values(SETTINGS[command]!) as { name: string; required?: true }[];
  const known = settings.map(({ name }) => name);
  for (const name of variables) assert.ok(known.includes(name), name);
  for (const { name, required } of settings)
    if (required) assert.ok(variables.includes(name), name);
}

/** Of all files, read by another program than those that deploy them. */
async function documents<T>(pattern: string): Promise<T[]> {
  const paths = globSync(pattern, { cwd: ROOT }).sort();
  assert.ok(paths.length > 0, pattern);
  const program = `import json, sys, yaml
print(json.dumps([one for path in sys.argv[1:] for one in yaml.safe_load_all(open(path))]))`;
  const options = { cwd: ROOT, timeout: 20_000 };
  const { stdout } = await promisify(execFile)('python3', ['-c', program, ...paths], options);
  return JSON.parse(stdout) as T[];
}
