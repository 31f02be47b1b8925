import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { type Api, checkedApi, create, png } from '../services/api.ts';
import { BASE_IMAGE, podman as runPodman, succeeds, withPodman } from '../services/podman.ts';

const ADDED_MAX_BYTES = 150_000_000;
/** As strict as Kubernetes is: not even /tmp can be written. */
const HARDENED = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
];
const PUBLISHED = ['--publish', '127.0.0.1::8000'];
const RUN_MAX_MS = 120_000;

await withPodman((podman) => {
  test('the image adds less than 150 MB to its base', async () => {
    const added = (await sizeOf(podman.image)) - (await sizeOf(BASE_IMAGE));
    assert.ok(added > 0 && added < ADDED_MAX_BYTES, `${added} bytes`);
  });

  test('images outlive the container, on the volume of the next', {
    timeout: RUN_MAX_MS,
  }, async () => {
    const volume = await podman.volume();
    const options = [...HARDENED, ...PUBLISHED, '--volume', `${volume}:/data`];
    const first = await podman.start(options, 'all-in-one');
    const api = await checkedApi(await first.url());
    const bytes = await png(64, 64);
    const { content } = await create(api, {}, bytes);
    assert.deepEqual(await contentOf(api, content), bytes);
    assert.equal(await first.healthy(), true);

    // Nobody's: neither the user nor a capability is of use outside.
    const status = await first.exec('cat', '/proc/1/status');
    assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    // Node itself, as scripts/node starts it: it gets the signals.
    const command = (await first.exec('cat', '/proc/1/cmdline')).split('\0');
    assert.equal(command[0], 'node');
    assert.ok(command.includes('--max-semi-space-size=2'));
    assert.ok(command.includes('bin/all-in-one.ts'));

    assert.equal(await first.stop(), 0);
    await first.remove();
    const second = await podman.start(options, 'all-in-one');
    assert.deepEqual(await contentOf(await checkedApi(await second.url()), content), bytes);
  });

  test('a folder is verified, backed up and restored by the same image', {
    timeout: RUN_MAX_MS,
  }, async () => {
    const [data, backup, restored] = [
      await podman.volume(),
      await podman.volume(),
      await podman.volume(),
    ];
    const over = (volume: string) => [...HARDENED, '--volume', `${volume}:/data`];
    const service = await podman.start([...over(data), ...PUBLISHED], 'all-in-one');
    await create(await checkedApi(await service.url()));
    const kept = ['--volume', `${backup}:/backup`];
    const beside = await podman.run([...over(data), ...kept], 'backup', '/backup');
    assert.equal(beside.code, 0, beside.stderr);
    const back = await podman.run([...over(restored), ...kept], 'restore', '/backup');
    assert.equal(back.code, 0, back.stderr);
    for (const volume of [data, restored]) {
      const { code, stdout, stderr } = await podman.run(over(volume), 'verify');
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /^1 images, 1 blobs checked: 0 wrong/m);
    }
  });

  test('a folder of the host is imported by the same image', { timeout: RUN_MAX_MS }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'art-'));
    t.after(() => rm(folder, { recursive: true }));
    await chmod(folder, 0o755);
    await writeFile(join(folder, 'elf.png'), await png(), { mode: 0o644 });
    const options = [...HARDENED, ...PUBLISHED, '--volume', `${await podman.volume()}:/data`];
    const service = await podman.start(options, 'all-in-one');
    await service.url();
    const network = ['--network', `container:${service.name}`, '--volume', `${folder}:/art:ro,z`];
    const words = ['/art', '--type', 'portrait', '--theme', 'fantasy'];
    const { code, stdout, stderr } = await podman.run(
      [...HARDENED, ...network],
      'import',
      ...words,
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^taken +1 /m);
  });

  test('the Image Service does not start without the addresses of its two partners', async () => {
    const { code, stderr } = await podman.run(HARDENED);
    assert.equal(code, 1);
    assert.match(stderr, /MESSAGE_HUB_URL is not set/);
    assert.match(stderr, /STORAGE_SERVICE_URL is not set/);
  });

  test('an unknown command is refused with those that there are', async () => {
    const { code, stderr } = await podman.run(HARDENED, 'serve');
    assert.equal(code, 2);
    assert.match(stderr, /^serve is no command of this image: image-service .*restore or import$/m);
  });

  test('podman makes pods of the Kubernetes manifests', { timeout: RUN_MAX_MS }, async (t) => {
    await using closing = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'kubernetes-'));
    closing.defer(() => rm(folder, { recursive: true }));
    const suffix = randomUUID();
    for (const deployment of ['storage-service', 'image-service']) {
      const url = new URL(`../../deploy/kubernetes/${deployment}.yaml`, import.meta.url);
      const manifest = (await readFile(url, 'utf8'))
        .replaceAll(/^( {2}name: .*)$/gm, `$1-${suffix}`)
        .replaceAll(/(claimName: \w+)/g, `$1-${suffix}`)
        .replace('image: dnd-image-service', `image: ${podman.image}`)
        // podman 4.3 cannot read the secrets that it makes itself.
        .replace(/valueFrom:\s+secretKeyRef: .*/, 'value: amqp://message-hub');
      const file = join(folder, `${deployment}.yaml`);
      await writeFile(file, manifest);
      closing.defer(
        async () => void (await runPodman('volume', 'rm', '--force', `images-${suffix}`)),
      );
      closing.defer(async () => void (await runPodman('kube', 'down', file)));
      const { code, stderr } = await runPodman('kube', 'play', '--start=false', file);
      const noPause = /pause binary/.test(stderr) && process.env.CI !== 'true';
      if (noPause) return t.skip('podman makes no pods without catatonit');
      assert.equal(code, 0, stderr);
    }
    const of = ['--filter', `ancestor=${podman.image}`, '--format', '{{.Names}} {{.Command}}'];
    const containers = (await succeeds('ps', '--all', ...of)).split('\n');
    for (const [name, args] of [
      [`storage-${suffix}-pod-0-storage`, 'storage-service'],
      [`image-service-${suffix}-pod-0-image-service`, 'image-service'],
    ] as const) {
      assert.ok(containers.includes(`${name} ${args}`), containers.join('\n'));
      const options = await succeeds('inspect', '--format', '{{.HostConfig.ReadonlyRootfs}}', name);
      assert.equal(options.trim(), 'true');
    }
  });
});

async function sizeOf(image: string): Promise<number> {
  return Number(await succeeds('image', 'inspect', '--format', '{{.Size}}', image));
}

async function contentOf(api: Api, content: Image['content']): Promise<Buffer> {
  const response = await api(content.url);
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}
