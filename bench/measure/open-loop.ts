import { setTimeout as sleep } from 'node:timers/promises';

/** Requests at a fixed rate, whether or not earlier ones are answered. */
export type Offered = {
  perSecond: number;
  /** Whether it was done as asked; one that rejects was not. */
  job(index: number): Promise<boolean>;
};

export type Carried = {
  /** From when each was due to when it was done, those that failed left out. */
  ms: number[];
  failed: number;
  /** Of what was due in the time, what was also done in it. */
  perSecond: number;
};

/**
 * Offers all of them beside each other for so many seconds and waits for what still runs. A
 * request's time begins when it was due: a service that stalls, or a client that is late, does not
 * make the requests fewer.
 */
export async function openLoop<Name extends string>(
  seconds: number,
  offered: Record<Name, Offered>,
  signal: AbortSignal,
): Promise<Record<Name, Carried>> {
  const begin = performance.now();
  const entries = Object.entries<Offered>(offered);
  const carried = await Promise.all(
    entries.map(async ([name, each], nth) => {
      // Not all at the same moment.
      const shift = nth / entries.length / each.perSecond;
      return [name, await offer(begin + shift * 1000, seconds, each, signal)] as const;
    }),
  );
  return Object.fromEntries(carried) as Record<Name, Carried>;
}

async function offer(
  begin: number,
  seconds: number,
  { perSecond, job }: Offered,
  signal: AbortSignal,
): Promise<Carried> {
  const carried: Carried = { ms: [], failed: 0, perSecond: 0 };
  const end = begin + seconds * 1000;
  let inTime = 0;
  const one = async (index: number, due: number) => {
    const done = await job(index).catch(() => false);
    const now = performance.now();
    if (!done) carried.failed += 1;
    else carried.ms.push(now - due);
    if (done && now <= end) inTime += 1;
  };
  const running: Promise<void>[] = [];
  for (let index = 0; index < seconds * perSecond; index++) {
    const due = begin + (index * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await sleep(early, undefined, { signal });
    running.push(one(index, due));
  }
  await Promise.all(running);
  signal.throwIfAborted();
  return { ...carried, perSecond: inTime / seconds };
}
