/** Chance that a failure can be replayed with. */
export type Chance = {
  /** 0 ≤ n < limit */
  below(limit: number): number;
  /** True once in so many times. */
  oneIn(times: number): boolean;
  of<T>(choices: readonly T[]): T;
};

/** Mulberry32: small, and good enough to choose by. Equal seeds make equal choices. */
export function seeded(seed: number): Chance {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    oneIn: (times) => below(times) === 0,
    of: (choices) => choices[below(choices.length)]!,
  };
}

/** A number from the environment, for runs longer than those of every day. */
export function countFrom(name: string, fallback: number): number {
  return Number(process.env[name] ?? fallback);
}
