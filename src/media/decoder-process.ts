import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { ServiceError } from '../contract/errors.ts';
import type { Answer, Step, Steps } from './decoder/protocol.ts';

const PROGRAM = new URL('./decoder/decoder.ts', import.meta.url);
/** A decode fills 2 GiB in more than a second; a look at the size costs 20 µs. */
const MEMORY_LOOK_MS = 100;
/**
 * Whoever reads waits milliseconds and whoever uploads seconds, so where cores are few a decode gives
 * way, to about half; at 10 uploads fall behind as soon as the cores are full.
 */
const DECODER_NICENESS = 3;

export type DecoderLimits = { stepMaxMs: number; memoryMaxBytes: number };

/**
 * - `memory`: it was ended for what it held
 * - `signal`: a fault of a codec, the kernel's OOM killer, or the end that another step brought on
 * - `exit`: it could not start or stopped by itself, which no image makes it do
 */
type Death = 'memory' | 'signal' | 'exit';

/** The process ended before it answered; which of its steps was the cause is not known. */
export class DecoderDiedError extends Error {
  override readonly name = 'DecoderDiedError';
  readonly death: Death;

  constructor(message: string, death: Death) {
    super(message);
    this.death = death;
  }
}

type Pending = {
  resolve: (value: Steps[Step]['answer']) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
};

/** One decoder process from its start to its end. It keeps its parent alive only while asked. */
export class DecoderProcess {
  readonly #child: ChildProcess;
  readonly #limits: DecoderLimits;
  readonly #pending = new Map<number, Pending>();
  #watch: NodeJS.Timeout | null = null;
  #lastId = 0;
  #ended = false;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
    this.#child = fork(PROGRAM, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // The parent's own flags (--test, --watch, --inspect) are not for it.
      execArgv: [],
    });
    const { pid } = this.#child;
    // Without a pid it could not be started, which its error tells.
    if (pid !== undefined) setPriority(pid, DECODER_NICENESS);
    this.#child.on('message', (answer: Answer) => this.#settle(answer));
    this.#child.on('error', ({ message }) => this.#end(`the decoder failed: ${message}`, 'exit'));
    this.#child.on('exit', (code, signal) =>
      this.#end(`the decoder ended: ${signal ?? code}`, signal ? 'signal' : 'exit'),
    );
    this.#keepParent(false);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Rejects with the ServiceError that the step gives, image_unreadable when it took too long, or
   * DecoderDiedError.
   */
  ask<S extends Step>(step: S, ask: Steps[S]['ask']): Promise<Steps[S]['answer']> {
    if (this.#ended) return Promise.reject(new DecoderDiedError('the decoder has ended', 'signal'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#overtime(id), this.#limits.stepMaxMs);
      const settle = resolve as Pending['resolve'];
      this.#pending.set(id, { resolve: settle, reject, timer });
      this.#keepParent(true);
      // A failure to send is the end of the process, which rejects all that is pending.
      this.#child.send({ id, step, ...ask }, () => {});
    });
  }

  /** Ends the process at once; what is pending rejects. */
  kill(death: Death = 'signal'): void {
    this.#child.kill('SIGKILL');
    this.#end('the decoder was ended', death);
  }

  #settle(answer: Answer): void {
    const pending = this.#take(answer.id);
    if (!pending) return;
    if ('value' in answer) pending.resolve(answer.value);
    else {
      const { code, message } = answer.error;
      pending.reject(new ServiceError(code, message, { cause: new Error(answer.reason) }));
    }
  }

  #overtime(id: number): void {
    const seconds = this.#limits.stepMaxMs / 1000;
    const message = `The image took longer than ${seconds} seconds to decode. Send a simpler file.`;
    this.#take(id)?.reject(new ServiceError('image_unreadable', message));
    this.kill();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#keepParent(false);
    return pending;
  }

  #end(message: string, death: Death): void {
    this.#ended = true;
    for (const id of [...this.#pending.keys()]) {
      this.#take(id)?.reject(new DecoderDiedError(message, death));
    }
  }

  #keepParent(asked: boolean): void {
    if (asked) {
      this.#child.ref();
      this.#child.channel?.ref();
      this.#watch ??= setInterval(() => this.#checkMemory(), MEMORY_LOOK_MS);
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
      if (this.#watch) clearInterval(this.#watch);
      this.#watch = null;
    }
  }

  /** Where there is no /proc, the limits on pixels and time alone bound the process. */
  #checkMemory(): void {
    let status: string;
    try {
      status = readFileSync(`/proc/${this.#child.pid}/status`, 'latin1');
    } catch {
      return;
    }
    const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    if (residentKiB * 1024 > this.#limits.memoryMaxBytes) this.kill('memory');
  }
}
