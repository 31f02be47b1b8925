import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../src/settings.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A service in a process of its own: what is to be killed, or run on a disk that fails. */
export class ServiceProcess {
  /** What it logged, but for the line of each request. */
  readonly log: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  readonly #ready = Promise.withResolvers<string>();
  #stderr = '';

  constructor(dataDir: string, env: Environment = {}, command = 'bin/all-in-one.ts') {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    this.#child = spawn(process.execPath, [command], {
      cwd: ROOT,
      env: { PATH, NODE_COMPILE_CACHE, DATA_DIR: dataDir, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ready.promise.catch(() => {});
    this.#exit = once(this.#child, 'close').then(([code]) => {
      this.#ready.reject(new Error(`The service ended before it was ready: ${this.#stderr}`));
      return code;
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text;
    });
    createInterface(this.#child.stdout!).on('line', (line) => this.#read(JSON.parse(line)));
  }

  /** Its address, once it listens. */
  get ready(): Promise<string> {
    return this.#ready.promise;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** What it wrote for people when it could not start. */
  get stderr(): string {
    return this.#stderr;
  }

  /** SIGSTOP: alive to whoever holds a connection, and silent. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL, and the end of it. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** SIGTERM. The exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#exit;
  }

  /** The exit code, when it ends by itself. */
  get exit(): Promise<number | null> {
    return this.#exit;
  }

  #read(line: Record<string, unknown>): void {
    if (line.message === 'Ready') this.#ready.resolve(line.url as string);
    if (line.message !== 'request answered') this.log.push(line);
  }
}

/** Runs `npm run verify`. */
export async function runVerify(dataDir: string, ...options: string[]) {
  const child = spawn(process.execPath, ['bin/verify.ts', ...options], {
    cwd: ROOT,
    env: { DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}
