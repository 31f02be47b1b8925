import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { ServiceError } from '../contract/errors.ts';
import type { Message, Step, Steps } from './decoder/protocol.ts';
import { processUsage } from './process-usage.ts';

const PROGRAM = new URL('./decoder/decoder.ts', import.meta.url);
/** A decode fills 2 GiB in more than a second; a look costs 40 µs. */
const LOOK_MS = 100;
/**
 * Readers wait for milliseconds and uploaders for seconds, so where cores are few a decode gives
 * way, to about half; at 10 uploads fall behind as soon as the cores are full.
 */
const DECODER_NICENESS = 3;
/** Signals by which a codec fails; any other signal comes from outside of the process. */
const CRASH_SIGNALS = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP']);

export type DecoderLimits = {
  /** Processor time of one step: what tells a demanding image from a slow machine. */
  stepCpuMaxMs: number;
  /** How long a process that is asked may use no processor time at all. */
  stallMaxMs: number;
  /** Time of one step by the clock, however little of the processor it gets. */
  stepMaxMs: number;
  /** From the start of the process until it can be asked. */
  startMaxMs: number;
  memoryMaxBytes: number;
};

/**
 * - `start`: it could not be started, or ended before it could be asked
 * - `crash`: a codec failed, or the process gave up by itself
 * - `memory`: this class ended it, because it held too much
 * - `stalled`: this class ended it, because it got no or too little processor time
 * - `killed`: somebody else ended it, such as the kernel when memory runs out
 * - `ended`: it was ended for a reason that has nothing to do with the step
 */
export type Death = 'start' | 'crash' | 'memory' | 'stalled' | 'killed' | 'ended';

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
  /** Its share of the processor time that the process has used since it was asked. */
  cpuMs: number;
  clockMs: number;
};

/** One decoder process from its start to its end. It keeps its parent alive only while asked. */
export class DecoderProcess {
  readonly #limits: DecoderLimits;
  readonly #child: ChildProcess | null;
  readonly #pending = new Map<number, Pending>();
  readonly #started = Promise.withResolvers<void>();
  readonly #watch: NodeJS.Timeout;
  #starting = true;
  #death: DecoderDiedError | null = null;
  /** Callers that wait for the start or for an answer. */
  #callers = 0;
  #lastId = 0;
  #lookedAt = performance.now();
  #cpuMs = 0;
  #startMs = 0;
  #stalledMs = 0;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
    this.#child = this.#start();
    // The first one who asks gets the failure.
    this.#started.promise.catch(() => {});
    this.#watch = setInterval(() => this.#look(), LOOK_MS).unref();
    if (this.#death) clearInterval(this.#watch);
    this.#keepParent();
  }

  /** 0 where there is no /proc. */
  get residentBytes(): number {
    return processUsage(this.#child?.pid)?.residentBytes ?? 0;
  }

  get ended(): boolean {
    return this.#death !== null;
  }

  /**
   * Rejects with the ServiceError that the step gives, image_unreadable when it used too much
   * processor time, or DecoderDiedError.
   */
  async ask<S extends Step>(step: S, ask: Steps[S]['ask']): Promise<Steps[S]['answer']> {
    this.#callers += 1;
    this.#keepParent();
    try {
      await this.#started.promise;
      return await this.#send(step, ask);
    } finally {
      this.#callers -= 1;
      this.#keepParent();
    }
  }

  /** Ends the process at once; what is pending rejects. */
  kill(death: Death = 'ended'): void {
    // Also ends a process that is stopped.
    this.#child?.kill('SIGKILL');
    this.#end('the decoder was ended', death);
  }

  #start(): ChildProcess | null {
    try {
      const child = fork(PROGRAM, {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        // The parent's own flags (--test, --watch, --inspect) are not for it.
        execArgv: [],
      });
      child.on('message', (message: Message) => this.#receive(message));
      child.on('error', ({ message }) => this.#end(`the decoder failed: ${message}`, 'crash'));
      child.on('exit', (code, signal) => {
        const crashed = signal === null || CRASH_SIGNALS.has(signal);
        this.#end(`the decoder ended: ${signal ?? code}`, crashed ? 'crash' : 'killed');
      });
      return child;
    } catch (error) {
      // Some failures of a start are thrown, others are an event.
      this.#end(`the decoder cannot be started: ${error}`, 'start');
      return null;
    }
  }

  #send<S extends Step>(step: S, ask: Steps[S]['ask']): Promise<Steps[S]['answer']> {
    if (this.#death) return Promise.reject(this.#death);
    const id = ++this.#lastId;
    if (this.#pending.size === 0) this.#beginLooks();
    return new Promise((resolve, reject) => {
      const settle = resolve as Pending['resolve'];
      this.#pending.set(id, { resolve: settle, reject, cpuMs: 0, clockMs: 0 });
      // A failure to send is the end of the process, which rejects all that is pending.
      this.#child?.send({ id, step, ...ask }, () => {});
    });
  }

  #receive(message: Message): void {
    if ('ready' in message) {
      this.#ready();
      return;
    }
    const pending = this.#take(message.id);
    if (!pending) return;
    if ('value' in message) pending.resolve(message.value);
    else {
      const { code, message: text } = message.error;
      pending.reject(new ServiceError(code, text, { cause: new Error(message.reason) }));
    }
  }

  #ready(): void {
    this.#starting = false;
    this.#started.resolve();
    try {
      // Only now: somebody waits for the start, and it costs little.
      setPriority(this.#child!.pid!, DECODER_NICENESS);
    } catch {
      // It has ended, or may not be slowed; neither keeps it from decoding.
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #end(message: string, death: Death): void {
    if (this.#death) return;
    const why = this.#starting && death !== 'ended' && death !== 'stalled' ? 'start' : death;
    this.#death = new DecoderDiedError(message, why);
    clearInterval(this.#watch);
    this.#started.reject(this.#death);
    for (const { reject } of this.#pending.values()) reject(this.#death);
    this.#pending.clear();
  }

  #keepParent(): void {
    const child = this.#child;
    if (!child) return;
    if (this.#callers > 0) {
      child.ref();
      child.channel?.ref();
    } else {
      child.unref();
      child.channel?.unref();
    }
  }

  #beginLooks(): void {
    this.#lookedAt = performance.now();
    this.#stalledMs = 0;
    this.#cpuMs = processUsage(this.#child?.pid)?.cpuMs ?? 0;
  }

  #look(): void {
    if (!this.#starting && this.#pending.size === 0) return;
    const now = performance.now();
    // When this process or the whole machine was paused, the clock went on and the decoder did not.
    const elapsed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    const usage = processUsage(this.#child?.pid);
    // Where there is no /proc, the clock has to do.
    const cpuMs = usage?.cpuMs ?? this.#cpuMs + elapsed * Math.max(1, this.#pending.size);
    this.#stalledMs = cpuMs > this.#cpuMs ? 0 : this.#stalledMs + elapsed;
    if (this.#starting) this.#startMs += elapsed;
    for (const pending of this.#pending.values()) {
      // Threads do not tell which image they work for, so those at work share what is used.
      pending.cpuMs += (cpuMs - this.#cpuMs) / this.#pending.size;
      pending.clockMs += elapsed;
    }
    this.#cpuMs = cpuMs;
    this.#enforce(usage?.residentBytes ?? 0);
  }

  #enforce(residentBytes: number): void {
    const { memoryMaxBytes, stallMaxMs, startMaxMs, stepCpuMaxMs, stepMaxMs } = this.#limits;
    const pending = [...this.#pending];
    const [greediest] = pending.toSorted(([, one], [, other]) => other.cpuMs - one.cpuMs);
    if (greediest && residentBytes > memoryMaxBytes) this.kill('memory');
    else if (greediest && greediest[1].cpuMs > stepCpuMaxMs) this.#tooDemanding(greediest[0]);
    else if (this.#stalledMs > stallMaxMs || this.#startMs > startMaxMs) this.kill('stalled');
    else if (pending.some(([, { clockMs }]) => clockMs > stepMaxMs)) this.kill('stalled');
  }

  #tooDemanding(id: number): void {
    const seconds = this.#limits.stepCpuMaxMs / 1000;
    const message = `The image needs more than ${seconds} seconds of processor time to decode. Send a smaller or simpler file.`;
    this.#take(id)?.reject(new ServiceError('image_unreadable', message));
    this.kill();
  }
}
