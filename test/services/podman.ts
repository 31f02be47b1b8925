import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from './data-folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BASE_IMAGE = 'docker.io/library/node:26-slim';
/** With an empty cache, beside all the other tests. */
const BUILD_MAX_MS = 200_000;
const COMMAND_MAX_MS = 60_000;
const START_MAX_MS = 60_000;

type Ended = { code: number; stdout: string; stderr: string };

/** The image of this tree, under a name of its own. */
export type Podman = {
  image: string;
  /** Starts a container that goes with the test file. */
  start(options: string[], ...command: string[]): Promise<Container>;
  /** Runs a container to its end. */
  run(options: string[], ...command: string[]): Promise<Ended>;
  /** A fresh volume that goes with the test file. */
  volume(): Promise<string>;
};

export type Container = {
  name: string;
  /** Where port 8000 of it is published. */
  url(): Promise<string>;
  exec(...command: string[]): Promise<string>;
  /** What its HEALTHCHECK says now. */
  healthy(): Promise<boolean>;
  /** SIGTERM, after 10 seconds SIGKILL. The exit code. */
  stop(): Promise<number>;
  remove(): Promise<void>;
};

/** Runs the tests with the built image; where that cannot be built, it says why they are skipped. */
export async function withPodman(tests: (podman: Podman) => void): Promise<void> {
  const missing = await whatIsMissing();
  if (missing && process.env.CI === 'true') throw new Error(missing);
  if (missing) {
    test('with podman', { skip: missing }, () => {});
    return;
  }
  const closing = new AsyncDisposableStack();
  after(() => closing.disposeAsync());
  tests(await build(closing));
}

async function whatIsMissing(): Promise<string | undefined> {
  const version = await podman('--version').catch(({ message }) => ({ code: 1, stderr: message }));
  if (version.code !== 0) return `No podman, so the image is not tested: ${version.stderr}`;
  if ((await podman('image', 'exists', BASE_IMAGE)).code === 0) return;
  const { code, stderr } = await execute(BUILD_MAX_MS, 'podman', 'pull', '--quiet', BASE_IMAGE);
  if (code !== 0) return `podman has no ${BASE_IMAGE}, so the image is not tested: ${stderr}`;
}

async function build(closing: AsyncDisposableStack): Promise<Podman> {
  const id = randomUUID();
  const image = `localhost/dnd-image-service:test-${id}`;
  // What two files build at the same time is built once: the second finds the layers of the first.
  const lock = ['--timeout', `${BUILD_MAX_MS / 1000}`, 'Containerfile'];
  // A proxy may have given this machine a certificate without which npm cannot download.
  const certificates = ['--volume', '/etc/ssl/certs:/etc/ssl/certs:ro'];
  const options = ['--quiet', '--format', 'docker', ...certificates, '--tag', image, '.'];
  const built = await execute(2 * BUILD_MAX_MS, 'flock', ...lock, 'podman', 'build', ...options);
  assert.equal(built.code, 0, built.stderr);
  closing.defer(async () => void (await succeeds('image', 'rm', image)));

  let count = 0;
  const unique = () => `dnd-test-${id}-${++count}`;
  return {
    image,
    async start(options, ...command) {
      const name = unique();
      closing.defer(
        async () =>
          void (await succeeds('rm', '--force', '--ignore', '--volumes', '--time', '0', name)),
      );
      await succeeds('run', '--detach', '--name', name, ...options, image, ...command);
      return container(name);
    },
    run: (options, ...command) =>
      podman('run', '--rm', '--name', unique(), ...options, image, ...command),
    async volume() {
      const name = unique();
      await succeeds('volume', 'create', name);
      closing.defer(async () => void (await succeeds('volume', 'rm', name)));
      return name;
    },
  };
}

function container(name: string): Container {
  return {
    name,
    async url() {
      const address = (await succeeds('port', name, '8000/tcp')).trim();
      const url = `http://${address}`;
      await eventually(async () => {
        const signal = AbortSignal.timeout(COMMAND_MAX_MS);
        const { status } = await fetch(`${url}/health/live`, { signal });
        assert.equal(status, 200);
      }, START_MAX_MS);
      return url;
    },
    exec: (...command) => succeeds('exec', name, ...command),
    async healthy() {
      const { code, stderr } = await podman('healthcheck', 'run', name);
      assert.ok(code === 0 || code === 1, stderr);
      return code === 0;
    },
    async stop() {
      await succeeds('stop', '--time', '10', name);
      return Number(await succeeds('inspect', '--format', '{{.State.ExitCode}}', name));
    },
    remove: async () => void (await succeeds('rm', name)),
  };
}

/** Its output; throws what it said when it fails. */
export async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await podman(...args);
  assert.equal(code, 0, `podman ${args.join(' ')}: ${stderr}`);
  return stdout;
}

export function podman(...args: string[]): Promise<Ended> {
  return execute(COMMAND_MAX_MS, 'podman', ...args);
}

/** Throws when it could not be started or took too long. */
function execute(timeout: number, command: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: ROOT, timeout }, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
  });
}
