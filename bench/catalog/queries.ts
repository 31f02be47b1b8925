import { SEED_THEMES } from '../../src/contract/seed-themes.ts';
import { CLASSES, skewed, TAGS, tagOf, VOCABULARY_WORDS, wordOf } from './generated-images.ts';

/** A list or search as people ask it: each instance is drawn anew, and about as full a page. */
export type Query = {
  name: string;
  /** Query parameters. `images`: how many the catalog has. */
  draw(random: () => number, images: number): [name: string, value: string][];
  /** Images of a page that an instance must find to be taken. */
  items: { atLeast: number; atMost: number };
  /** Images before the page that is asked for, which is walked to first. */
  depth?(images: number): number;
};

const PAGE = { atLeast: 50, atMost: 50 };
/** A small catalog has few that meet three conditions, so of both a smaller page is asked. */
const SMALL_PAGE = { atLeast: 20, atMost: 20 };
const FEW = { atLeast: 5, atMost: 49 };
const ANY = { atLeast: 0, atMost: 200 };
const NONE = { atLeast: 0, atMost: 0 };

const smallPage: [string, string] = ['limit', '20'];

const below = (random: () => number, count: number) => Math.floor(random() * count);
const anyTheme = (random: () => number) => SEED_THEMES[skewed(random, SEED_THEMES.length)]!.name;
const commonTag = (random: () => number) => tagOf(below(random, 10));
const rareTag = (random: () => number) => tagOf(TAGS - 1 - below(random, 50));
const commonWord = (random: () => number) => wordOf(below(random, 10));
/** In twenty to forty images, whatever the catalog has. */
const rareWord = (random: () => number, images: number) => {
  const rank = (Math.min(images, 1_000_000) / 1_000_000) * VOCABULARY_WORDS;
  return wordOf(Math.floor(rank / 2 + (random() * rank) / 2));
};

/** Those that the targets are about. */
export const NAMED_QUERIES: readonly Query[] = [
  { name: 'newest of all', draw: () => [], items: PAGE },
  { name: 'theme', draw: (random) => [['theme', anyTheme(random)]], items: PAGE },
  {
    name: 'theme + tag + type',
    draw: (random) => [
      ['theme', anyTheme(random)],
      ['tag', commonTag(random)],
      ['type', random() < 0.5 ? 'portrait' : 'token'],
      smallPage,
    ],
    items: SMALL_PAGE,
  },
  {
    name: 'attribute',
    draw: (random) =>
      random() < 0.7
        ? [['attr.class', CLASSES[below(random, CLASSES.length)]!]]
        : [['attr.level', String(1 + below(random, 20))]],
    items: PAGE,
  },
  { name: 'one common word', draw: (random) => [['q', commonWord(random)]], items: PAGE },
  {
    name: 'one rare word',
    draw: (random, images) => [['q', rareWord(random, images)]],
    items: FEW,
  },
  {
    name: 'two words',
    draw: (random) => [['q', `${commonWord(random)} ${wordOf(below(random, 40))}`], smallPage],
    items: SMALL_PAGE,
  },
  {
    name: 'beginning of a word',
    draw: (random) => [['q', wordOf(below(random, 200)).slice(0, 2 + below(random, 3))]],
    items: PAGE,
  },
  {
    name: 'search + theme',
    draw: (random) => [['q', commonWord(random)], ['theme', anyTheme(random)], smallPage],
    items: SMALL_PAGE,
  },
  {
    name: 'page at depth 50,000',
    draw: (random) => (random() < 0.5 ? [] : [['theme', 'fantasy']]),
    items: PAGE,
    depth: (images) => Math.min(50_000, images / 5),
  },
];

/** Others, chosen to be hard. */
export const OTHER_QUERIES: readonly Query[] = [
  {
    name: 'two rare tags',
    draw: (random) => [
      ['tag', rareTag(random)],
      ['tag', rareTag(random)],
    ],
    items: ANY,
  },
  {
    name: 'least width + theme',
    draw: (random) => [
      ['min_width', String(100 + below(random, 900))],
      ['theme', anyTheme(random)],
    ],
    items: ANY,
  },
  {
    name: 'theme, by name',
    draw: (random) => [
      ['sort', 'name'],
      ['theme', anyTheme(random)],
    ],
    items: PAGE,
  },
  {
    name: 'tag, by last change',
    draw: (random) => [
      ['sort', '-updated_at'],
      ['tag', tagOf(skewed(random, TAGS))],
    ],
    items: PAGE,
  },
  {
    name: 'two rare tags, by name',
    draw: (random) => [
      ['sort', 'name'],
      ['tag', rareTag(random)],
      ['tag', rareTag(random)],
    ],
    items: ANY,
  },
  {
    name: '16 common words',
    draw: (random) => {
      const first = below(random, 4);
      return [['q', Array.from({ length: 16 }, (_, index) => wordOf(first + index)).join(' ')]];
    },
    items: ANY,
  },
  {
    // A class is a word of its own image and of no other's.
    name: 'common facet and word that never meet',
    draw: (random) => {
      const word = 2 + below(random, CLASSES.length - 2);
      return [
        ['attr.class', CLASSES[word - 2]!],
        ['q', CLASSES[word]!],
      ];
    },
    items: ANY,
  },
  {
    name: 'several of everything',
    draw: (random) => [
      ...['portrait', 'token', 'map'].map((type): [string, string] => ['type', type]),
      ...SEED_THEMES.slice(3, 8).map(({ name }): [string, string] => ['theme', name]),
      ['attr.class', 'fighter'],
      ['attr.class', 'wizard'],
      ['min_height', String(65 + below(random, 400))],
      ['q', `${commonWord(random)} ${commonWord(random)}`],
    ],
    items: ANY,
  },
  {
    name: 'first page of the oldest of a theme',
    draw: (random) => [
      ['sort', 'created_at'],
      ['theme', anyTheme(random)],
    ],
    items: PAGE,
  },
  {
    name: 'source_id, as the import asks',
    draw: (random, images) => [
      ['source_type', 'generated'],
      ['source_id', `generated-${below(random, images)}`],
    ],
    items: { atLeast: 1, atMost: 1 },
  },
  {
    name: 'word that no image has',
    draw: (random) => [['q', `zzq${below(random, 1000)} ${commonWord(random)}`]],
    items: NONE,
  },
  { name: 'deleted', draw: () => [['deleted', 'true']], items: PAGE },
];
