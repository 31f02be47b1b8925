import { readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second on every platform that Node runs on. */
const CLOCK_TICK_MS = 10;
/** Fields of proc_pid_stat(5), counted from the state, which follows the name. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

export type ProcessUsage = {
  /** Processor time of all its threads since its start. */
  cpuMs: number;
  residentBytes: number;
};

/** Null when there is no such process, or no /proc. */
export function processUsage(pid: number | undefined): ProcessUsage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
    const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    return { cpuMs: ticks * CLOCK_TICK_MS, residentBytes: residentKiB * 1024 };
  } catch {
    return null;
  }
}
