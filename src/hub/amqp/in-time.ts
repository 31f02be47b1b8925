/** The same, or an Error when it takes longer. */
export async function inTime<T>(promise: Promise<T>, maxMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`The message hub did not answer within ${maxMs} ms.`)),
    maxMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
