import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Keeps the lines of a short fault, some thousands; what does not fit is lost and counted. */
const PENDING_MAX_BYTES = 1024 * 1024;
/** A reader that is only slow has room again after moments; a full disk is asked once a second. */
const RETRY_MIN_MS = 10;
const RETRY_MAX_MS = 1_000;
/** At the end of the process: what a slow reader gets to read the last lines. */
const LAST_LINES_MAX_MS = 500;
const LAST_LINES_RETRY_MS = 10;

/** `full`: no space; `closed`: nobody reads any more; `stalled`: the reader stands still; `failed`: any other fault. */
export const LOSS_REASONS = ['full', 'closed', 'stalled', 'failed'] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

const REASONS: Record<string, LossReason> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EPIPE: 'closed',
  ECONNRESET: 'closed',
  EAGAIN: 'stalled',
};

/** Every write returns at once: it writes what there is room for, or throws, as `fs.writeSync` does. */
export type Writer = (data: string | Uint8Array) => number;

/**
 * Where the log goes. It writes before it returns, so that the last lines of a dying process are not
 * lost, but never waits: while the output cannot be written, lines are held within a bound, and
 * writing is tried again. The service must not depend on who keeps its log.
 */
export class LogOutput {
  readonly lost: Record<LossReason, number> = { full: 0, closed: 0, stalled: 0, failed: 0 };
  /** Called with the number of lines that were lost, once the output works again. */
  restored: (lines: number) => void = () => {};
  readonly #writer: Writer;
  readonly #tell: (text: string) => void;
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #lostNow = 0;
  #told = false;
  #reason: LossReason = 'failed';
  #retryMs = RETRY_MIN_MS;

  /** `tell` is for people: it gets one line at the begin and one at the end of each fault. */
  constructor(writer: Writer, tell: (text: string) => void) {
    this.#writer = writer;
    this.#tell = tell;
  }

  write(line: string): void {
    if (this.#pending.length > 0) {
      this.#hold(Buffer.from(line));
      return;
    }
    let written = 0;
    try {
      written = this.#writer(line);
      if (written >= Buffer.byteLength(line)) return;
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
    this.#hold(Buffer.from(line).subarray(written));
    // Only another attempt tells why a line was written in part.
    if (written > 0 && this.#writePending()) return;
    this.#retryLater();
  }

  /** Before the process ends: the lines that are held, if somebody takes them within moments. */
  flush(): void {
    const until = performance.now() + LAST_LINES_MAX_MS;
    const never = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#writePending() && this.#reason === 'stalled' && performance.now() < until) {
      Atomics.wait(never, 0, 0, LAST_LINES_RETRY_MS);
    }
  }

  #hold(bytes: Uint8Array): void {
    // The rest of a line always: half a line would spoil the next one.
    if (this.#pending.length > 0 && this.#pendingBytes + bytes.length > PENDING_MAX_BYTES) {
      this.#lostNow += 1;
      this.lost[this.#reason] += 1;
      this.#tellOnce();
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #retryLater(): void {
    setTimeout(() => {
      if (this.#writePending()) {
        this.#recovered();
        return;
      }
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
      this.#retryLater();
    }, this.#retryMs).unref();
  }

  /** Whether nothing is left. */
  #writePending(): boolean {
    try {
      while (this.#pending.length > 0) {
        const [bytes] = this.#pending as [Uint8Array];
        const written = this.#writer(bytes);
        this.#pendingBytes -= written;
        if (written > 0) this.#retryMs = RETRY_MIN_MS;
        if (written < bytes.length) this.#pending[0] = bytes.subarray(written);
        else this.#pending.shift();
        if (written === 0) return false;
      }
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
    return this.#pending.length === 0;
  }

  #failed({ code = '' }: NodeJS.ErrnoException): void {
    this.#reason = REASONS[code] ?? 'failed';
    // A reader that is slow for a moment is no fault until lines are lost.
    if (this.#reason !== 'stalled') this.#tellOnce();
  }

  #tellOnce(): void {
    if (this.#told) return;
    this.#told = true;
    this.#tell(`The log cannot be written (${this.#reason}). The service goes on without it.`);
  }

  #recovered(): void {
    const lines = this.#lostNow;
    this.#retryMs = RETRY_MIN_MS;
    this.#lostNow = 0;
    if (this.#told) this.#tell(`The log is written again. Lines lost: ${lines}.`);
    this.#told = false;
    if (lines > 0) this.restored(lines);
  }
}

let standard: LogOutput | undefined;

/** The log of this process: standard output, and standard error for what happens to it. */
export function standardOutput(): LogOutput {
  if (standard) return standard;
  let [out, err]: [number | undefined, number | undefined] = [undefined, undefined];
  const output = new LogOutput(
    (data) => {
      out ??= nonBlocking(1);
      return writeTo(out, data);
    },
    (text) => {
      try {
        err ??= nonBlocking(2);
        writeTo(err, `${text}\n`);
      } catch {
        // It may be on the same disk; the metric counts all the same.
      }
    },
  );
  process.once('exit', () => output.flush());
  standard = output;
  return output;
}

function writeTo(fd: number, data: string | Uint8Array): number {
  return typeof data === 'string' ? writeSync(fd, data) : writeSync(fd, data);
}

/**
 * A descriptor whose writes never wait for a reader. A pipe or a terminal is opened once more, as the
 * mode of a descriptor is shared with other processes. Where that is not permitted, or it is a socket,
 * the stream of Node has made the given one non-blocking; a file does not wait.
 */
function nonBlocking(fd: 1 | 2): number {
  const { isTTY } = fd === 1 ? process.stdout : process.stderr;
  if (!isTTY && !fstatSync(fd).isFIFO()) return fd;
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  try {
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch {
    return fd;
  }
}
