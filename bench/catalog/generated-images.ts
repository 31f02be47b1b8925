import type { ImageFields } from '../../src/contract/image.ts';
import { SEED_THEMES } from '../../src/contract/seed-themes.ts';

/** A stream of numbers in [0, 1) that is the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Few of many are common: index r of `count`, with a chance that falls about as 1 / r. */
export function skewed(random: () => number, count: number): number {
  return Math.min(count - 1, Math.floor(count ** random()) - 1 + (random() < 0.02 ? 1 : 0));
}

const SYLLABLES =
  'ar bel cor dra el fen gor hal is jor kel lor mor nar ol por quen ral sil thor ur vel wyn xan yor zel'.split(
    ' ',
  );
const COMMON =
  'the dragon elf knight dark forest old tower sword castle wizard ancient warrior shadow orc fire stone king dwarf blade'.split(
    ' ',
  );
export const VOCABULARY_WORDS = 50_000;
export const TAGS = 200;
export const CLASSES = ['fighter', 'wizard', 'rogue', 'cleric', 'ranger', 'bard', 'druid', 'monk'];
const TYPES = [
  'portrait',
  'portrait',
  'portrait',
  'token',
  'token',
  'item',
  'map',
  'other',
] as const;

/** The word of a rank: the first ones are everyday words, the others made of syllables. */
export function wordOf(rank: number): string {
  const common = COMMON[rank];
  if (common) return common;
  let word = '';
  for (let rest = rank; rest > 0; rest = Math.floor(rest / SYLLABLES.length)) {
    word += SYLLABLES[rest % SYLLABLES.length];
  }
  return word;
}

export function tagOf(rank: number): string {
  return `${wordOf(rank + 7)} ${rank % 3 === 0 ? 'folk' : 'kin'}`;
}

/** What a client might say of image `index`: words, tags and themes of realistic skew. */
export function generatedFields(index: number, random: () => number): ImageFields {
  const words = (count: number) =>
    Array.from({ length: count }, () => wordOf(skewed(random, VOCABULARY_WORDS))).join(' ');
  const type = TYPES[Math.floor(random() * TYPES.length)]!;
  const theme = SEED_THEMES[skewed(random, SEED_THEMES.length)]!.name;
  const tags = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
    tagOf(skewed(random, TAGS)),
  );
  return {
    type,
    name: `${words(2)} ${String(index).padStart(7, '0')}`,
    theme,
    description: words(8),
    tags: [...new Set(tags)],
    attributes: {
      level: 1 + Math.floor(random() * 20),
      class: CLASSES[skewed(random, CLASSES.length)]!,
      artist: wordOf(20 + skewed(random, 2_000)),
    },
    source_type: 'generated',
    source_id: `generated-${index}`,
  };
}
