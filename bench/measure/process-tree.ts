import { readFileSync } from 'node:fs';

/** What the kernel knows of a process and its descendants (Linux: proc(5)). */

/** USER_HZ, which is 100 on every architecture of Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The process and all that descend from it. */
export function processTree(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

/** CPU used by the tree so far, that of children which have ended included. */
export function cpuSeconds(pid: number): number {
  const ticks = processTree(pid).map((each) => {
    const stat = read(`/proc/${each}/stat`);
    // The name in parentheses may hold spaces; utime is the twelfth field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  });
  return sum(ticks) / TICKS_PER_SECOND;
}

/** CPU used by all programs of the machine so far, and what a host that shares it took. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, _idle, _wait, ...others] = read('/proc/stat')
    .slice(0, 200)
    .split(/\s+/, 9)
    .map(Number);
  return sum([user!, nice!, system!, ...others]) / TICKS_PER_SECOND;
}

/**
 * Resident memory of the tree; pages that two processes share count twice. `own`: the part that no
 * file backs; the rest is programs and mapped files, which the kernel may drop.
 */
export function residentBytes(pid: number): { all: number; own: number } {
  const statuses = processTree(pid).map((each) => read(`/proc/${each}/status`));
  const of = (name: string) => sum(statuses.map((status) => kibibytes(status, name)));
  return { all: of('VmRSS'), own: of('RssAnon') };
}

/** The same with shared pages divided among those who share them; takes milliseconds to find. */
export function proportionalBytes(pid: number): number {
  return sum(processTree(pid).map((each) => kibibytes(read(`/proc/${each}/smaps_rollup`), 'Pss')));
}

function kibibytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Empty when the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
