import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const IMAGE = 'docker.io/library/rabbitmq:3';
/** Ten seconds when it is alone; the deadline is for a machine where all tests begin at once. */
const START_MAX_MS = 120_000;
const PULL_MAX_MS = 180_000;
const ANSWER_MAX_MS = 20_000;

export type Broker = AsyncDisposable & {
  /** `amqp://guest:guest@127.0.0.1:<port>` */
  url: string;
  /** Of its HTTP API, credentials and all. */
  managementUrl: string;
  /** The AMQP address of a fresh virtual host, so that tests do not meet. */
  vhost(): Promise<string>;
  /** Ends and removes what was started or made here. */
  stop(): Promise<void>;
  /** Whether it was started here. What follows is only for such a one. */
  owned: boolean;
  /** SIGKILL of the Erlang VM, and its end. */
  kill(): Promise<void>;
  /** Again, with the same data and port. */
  start(signal?: AbortSignal): Promise<void>;
  /** SIGSTOP: its connections stay open and say nothing. */
  pause(): Promise<void>;
  resume(): Promise<void>;
};

/** What a broker of ours runs in. */
type Home = Pick<Broker, 'kill' | 'pause' | 'resume'> & {
  /** Where AMQP is, as the broker sees it. */
  port: number;
  /** Returns before the broker is ready; does nothing when it runs. */
  launch(): Promise<void>;
  hasEnded(): boolean;
  /** What the broker wrote last. */
  log(): Promise<string>;
  remove(): Promise<void>;
};
type Ports = { amqp: number; http: number; distribution: number; epmd: number };

/** There is nothing on this machine to make a broker of. */
class NoBroker extends Error {}

/** The broker of the whole run, or else one for this file; `own` is for tests that kill theirs. */
export async function brokerForTests(
  options: { own?: boolean } = {},
): Promise<{ broker: Broker } | { skip: string }> {
  const { RABBITMQ_URL, RABBITMQ_MANAGEMENT_URL, RABBITMQ_MISSING, CI } = process.env;
  if (RABBITMQ_URL && !options.own) return { broker: given(RABBITMQ_URL, RABBITMQ_MANAGEMENT_URL) };
  // What the run has sought in vain is not sought again by each file.
  if (RABBITMQ_MISSING) return { skip: RABBITMQ_MISSING };
  try {
    return { broker: await startBroker() };
  } catch (error) {
    if (!(error instanceof NoBroker) || CI === 'true') throw error;
    return { skip: error.message };
  }
}

/** A broker of one's own: Debian's RabbitMQ as a throw-away node, or else a container. */
export async function startBroker(signal?: AbortSignal): Promise<Broker> {
  await using closing = new AsyncDisposableStack();
  const ports = await freePorts();
  const home = existsSync(SERVER) ? await debianNode(ports) : await container(ports);
  closing.defer(home.remove);
  const broker = given(
    `amqp://guest:guest@127.0.0.1:${ports.amqp}`,
    `http://guest:guest@127.0.0.1:${ports.http}`,
  );
  const listens = `health/checks/port-listener/${home.port}`;
  const start = async (signal?: AbortSignal) => {
    await home.launch();
    try {
      await until(START_MAX_MS, signal, async () => {
        if (home.hasEnded()) throw new Error('RabbitMQ ended while it started');
        return manage(broker.managementUrl, 'GET', listens).then(
          () => true,
          () => false,
        );
      });
    } catch (error) {
      throw new Error(`RabbitMQ did not start: ${await home.log()}`, { cause: error });
    }
  };
  await start(signal);
  const { kill, pause, resume } = home;
  const opened = closing.move();
  const stop = () => opened.disposeAsync();
  return { ...broker, owned: true, kill, start, pause, resume, stop, [Symbol.asyncDispose]: stop };
}

/** One that others started: virtual hosts can be made on it, and nothing else be done to it. */
function given(url: string, management?: string): Broker {
  const { username, password, hostname } = new URL(url);
  const managementUrl = management ?? `http://${username}:${password}@${hostname}:15672`;
  const made = new Set<string>();
  const vhost = async () => {
    const name = `test-${randomUUID()}`;
    await manage(managementUrl, 'PUT', `vhosts/${name}`);
    made.add(name);
    return Object.assign(new URL(url), { pathname: `/${name}` }).href;
  };
  const stop = async () => {
    for (const name of made) await manage(managementUrl, 'DELETE', `vhosts/${name}`);
    made.clear();
  };
  const refuse = async () => {
    throw new Error('This broker was not started here: leave it as it is');
  };
  const others = { owned: false, kill: refuse, start: refuse, pause: refuse, resume: refuse };
  return { url, managementUrl, vhost, stop, ...others, [Symbol.asyncDispose]: stop };
}

/** A request to the HTTP API; whoever makes a virtual host may use it. */
async function manage(managementUrl: string, method: string, path: string): Promise<void> {
  const { username, password, origin } = new URL(managementUrl);
  const user = [username, password].map(decodeURIComponent).join(':');
  const authorization = `Basic ${Buffer.from(user).toString('base64')}`;
  const headers = { authorization, 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(ANSWER_MAX_MS);
  const response = await fetch(`${origin}/api/${path}`, { method, headers, signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${origin}/api/${path}: ${response.status} ${text}`);
}

/** A node that runs as no one in particular and ends with this process, whatever ends that. */
async function debianNode(ports: Ports): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'rabbitmq-'));
  const inside = (name: string) => join(folder, name);
  const user = process.getuid!() === 0 ? await unprivileged() : undefined;
  const config = `[{rabbit, [{tcp_listeners, [{"127.0.0.1", ${ports.amqp}}]}]},
    {rabbitmq_management, [{tcp_config, [{ip, "127.0.0.1"}, {port, ${ports.http}}]}]}].`;
  await writeFile(inside('rabbitmq.config'), config);
  await writeFile(inside('advanced.config'), '[].');
  await writeFile(inside('plugins'), '[rabbitmq_management].');
  await writeFile(inside('.erlang.cookie'), randomBytes(20).toString('hex'), { mode: 0o400 });
  const owned = user ? [folder, inside('.erlang.cookie')] : [];
  for (const path of owned) await chown(path, user!.uid, user!.gid);
  const as = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : [];
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LANG: 'C.UTF-8',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: `${ports.epmd}`,
    // The script then becomes the VM, instead of a shell that waits for it.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: 'rabbit@localhost',
    RABBITMQ_DIST_PORT: `${ports.distribution}`,
    RABBITMQ_MNESIA_BASE: inside('mnesia'),
    RABBITMQ_LOG_BASE: inside('logs'),
    RABBITMQ_LOGS: '-',
    // Each of these would otherwise be the system's.
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: inside('rabbitmq.config'),
    RABBITMQ_CONFIG_FILES: inside('conf.d'),
    RABBITMQ_ADVANCED_CONFIG_FILE: inside('advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: inside('plugins'),
    // Idle schedulers that spin would take the processor from the tests.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
  };
  const begin = async (command: string, ...args: string[]) => {
    await using log = await open(inside('log'), 'a');
    const all = [...as, '--pdeathsig=KILL', command, ...args];
    const child = spawn('setpriv', all, { cwd: folder, env, stdio: ['ignore', log.fd, log.fd] });
    // A test that forgets to stop its broker shall end all the same.
    child.unref();
    await once(child, 'spawn');
    return child;
  };
  // Ours, because the one that the VM would start by itself outlives it.
  const epmd = await begin('epmd', '-address', '127.0.0.1', '-port', `${ports.epmd}`);
  let vm: ChildProcess | undefined;
  const abandon = () => {
    for (const child of [vm, epmd]) child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', abandon);
  return {
    port: ports.amqp,
    launch: async () => {
      await until(ANSWER_MAX_MS, undefined, () => accepts(ports.epmd));
      if (!vm || hasEnded(vm)) vm = await begin(SERVER);
    },
    hasEnded: () => vm !== undefined && hasEnded(vm),
    log: async () => (await readFile(inside('log'), 'utf8')).slice(-2_000),
    kill: async () => vm && end(vm),
    pause: async () => void vm?.kill('SIGSTOP'),
    resume: async () => void vm?.kill('SIGCONT'),
    remove: async () => {
      process.off('exit', abandon);
      await Promise.all([vm && end(vm), end(epmd)]);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Who the node is when the tests are root. */
async function unprivileged(): Promise<{ uid: number; gid: number }> {
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const named = (name: string) => users.find((user) => user[0] === name);
  const [, , uid, gid] = named('rabbitmq') ?? named('nobody') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** SIGKILL, since what is not kept need not be closed well. */
async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.ref();
  const exit = once(child, 'exit', { signal: AbortSignal.timeout(ANSWER_MAX_MS) });
  child.kill('SIGKILL');
  await exit;
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function container(ports: Ports): Promise<Home> {
  const name = `rabbitmq-${randomUUID()}`;
  // The image has the plugin, not enabled; the node's name, and so its data, hangs on the host's.
  const script = `echo '[rabbitmq_management].' > /etc/rabbitmq/enabled_plugins &&
    exec docker-entrypoint.sh rabbitmq-server`;
  const publish = [`127.0.0.1:${ports.amqp}:5672`, `127.0.0.1:${ports.http}:15672`];
  const options = ['--name', name, '--hostname', 'rabbit', ...publish.flatMap((to) => ['-p', to])];
  const faults: string[] = [];
  for (const engine of ['podman', 'docker']) {
    const run = async (ms: number, ...args: string[]) => {
      const { stdout, stderr } = await promisify(execFile)(engine, args, { timeout: ms });
      return stdout + stderr;
    };
    const act = async (...args: string[]) => void (await run(ANSWER_MAX_MS, ...args, name));
    try {
      await run(PULL_MAX_MS, 'pull', IMAGE);
      await run(ANSWER_MAX_MS, 'create', ...options, IMAGE, 'sh', '-c', script);
    } catch (error) {
      faults.push(`${engine}: ${(error as Error).message.trim()}`);
      continue;
    }
    return {
      port: 5672,
      launch: () => act('start'),
      hasEnded: () => false,
      log: () => run(ANSWER_MAX_MS, 'logs', '--tail', '20', name),
      kill: async () => {
        await act('kill', '--signal', 'KILL');
        await act('wait');
      },
      pause: () => act('pause'),
      resume: () => act('unpause'),
      remove: () => act('rm', '--force', '--volumes'),
    };
  }
  throw new NoBroker(
    `No RabbitMQ: install Debian's rabbitmq-server, or podman or docker with a registry, or set
    RABBITMQ_URL and RABBITMQ_MANAGEMENT_URL (${faults.join('; ')})`.replaceAll(/\s+/g, ' '),
  );
}

/**
 * Below those that the system gives to outgoing connections: one of them could take the port of a
 * broker that is down. In blocks, so that brokers that start at the same time seldom meet.
 */
async function freePorts(): Promise<Ports> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 20_000 + 4 * randomInt(3_000);
    const [amqp, http, distribution, epmd] = [first, first + 1, first + 2, first + 3];
    const taken = await Promise.all([amqp, http, distribution, epmd].map(accepts));
    if (!taken.includes(true)) return { amqp, http, distribution, epmd };
  }
  throw new Error('No four free ports between 20000 and 32000');
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function until(maxMs: number, signal: AbortSignal | undefined, is: () => Promise<boolean>) {
  const bound = AbortSignal.any([AbortSignal.timeout(maxMs), ...(signal ? [signal] : [])]);
  while (!(await is())) await sleep(20, undefined, { signal: bound });
}
