import type { Theme } from './theme.ts';

type Seed = Pick<Theme, 'name' | 'display_name' | 'parent' | 'synonyms'>;

/** The vocabulary of a new catalog: the themes of the character creator. */
export const SEED_THEMES: readonly Seed[] = [
  seed('fantasy', null, ['medieval', 'sword and sorcery']),
  seed('high_fantasy', 'fantasy', ['epic', 'heroic']),
  seed('low_fantasy', 'fantasy', ['gritty']),
  seed('horror', null, ['gothic', 'eldritch', 'macabre']),
  seed('western', null, ['wild west', 'frontier']),
  seed('cyberpunk', null, ['neon', 'dystopian']),
  seed('steampunk', null, ['clockwork', 'gaslamp']),
  seed('space_fantasy', null, ['wildspace', 'science fantasy']),
  seed('post_apocalyptic', null, ['wasteland', 'apocalypse']),
  seed('noir_detective', null, ['noir', 'hardboiled']),
  seed('historical', null, ['period']),
];

function seed(name: string, parent: string | null, synonyms: string[]): Seed {
  return { name, display_name: displayName(name), parent, synonyms };
}

/** `space_fantasy` → `Space Fantasy` */
export function displayName(slug: string): string {
  return slug
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');
}
