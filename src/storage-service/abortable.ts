/** The same chunks; ends with the signal's reason when that aborts, though no chunk may come. */
export async function* abortable<T>(
  chunks: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncIterable<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted.promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited: a generator that waits for its next chunk ends only with that chunk.
    iterator.return?.().catch(() => {});
  }
}
