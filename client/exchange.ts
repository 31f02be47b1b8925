import { AnsweredError, answeredError } from './problem.ts';

type Reading<T> = {
  read: (response: Response) => Promise<T>;
  timeoutMs: number;
  signal: AbortSignal | undefined;
};

/**
 * One request and its answer, read by `read` if it is a success. The time runs until then: a
 * stream that `read` hands on is not cut. Throws AnsweredError, a TimeoutError, the reason of the
 * signal, and what fetch does.
 */
export async function exchange<T>(
  url: string,
  request: RequestInit,
  { read, timeoutMs, signal }: Reading<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new DOMException(`none within ${timeoutMs / 1000} s`, 'TimeoutError'));
  }, timeoutMs);
  try {
    const response = await fetch(url, { ...request, signal: either(late.signal, signal) });
    if (!response.ok) throw await answeredError(response);
    return await read(response);
  } finally {
    clearTimeout(timer);
  }
}

export async function json<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw new AnsweredError(response, {});
    throw thrown;
  }
}

export function either(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}
