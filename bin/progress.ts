/** How far a copy is, on a terminal only. */
export function showProgress(done: number, total: number): void {
  if (!process.stderr.isTTY || done % 100 !== 0) return;
  process.stderr.write(`\r${done} of ${total} blobs`);
}

export function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}
