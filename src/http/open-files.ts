import { readFileSync } from 'node:fs';

/** Files that the process has open besides those of its connections. */
const OTHER_FILES = 128;
/** A connection may have a file or another connection open for its request. */
const FILES_A_CONNECTION = 2;
const CONNECTIONS_MIN = 16;

let found: number | undefined;

/** As many connections as the process may have open files for: `ulimit -n`. */
export function connectionsByFiles(): number {
  found ??= Math.max(
    CONNECTIONS_MIN,
    Math.floor((openFilesMax() - OTHER_FILES) / FILES_A_CONNECTION),
  );
  return found;
}

/** Node raises its limit to the hard one at the start. */
function openFilesMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    // Not on Linux.
    return Number.POSITIVE_INFINITY;
  }
}
