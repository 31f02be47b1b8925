/**
 * A command finishes its work although its output cannot be written: a pipe that was closed, a disk
 * that is full. Its exit code tells the result all the same. Without a listener Node would end it.
 */
export function surviveLostOutput(): void {
  let told = false;
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    // Whoever closed the pipe, as `head` does, wants no more output.
    if (told || code === 'EPIPE') return;
    told = true;
    process.stderr.write(
      `The output cannot be written (${code}); the exit code tells the result.\n`,
    );
  });
  process.stderr.on('error', () => {});
}
