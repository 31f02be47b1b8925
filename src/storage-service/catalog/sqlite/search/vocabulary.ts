import { normalTags } from '../../../../contract/fields.ts';
import type { Theme } from '../../../../contract/theme.ts';
import { wordsOf } from './tokens.ts';

type Entry = {
  name: string;
  synonyms: string[];
  /** Words that a search finds this theme's images by, beyond those in their own rows. */
  words: string[];
  /** The theme itself and all below it. */
  family: string[];
};

/** The themes as queries need them: synonyms and kinship are looked up here, never in image rows. */
export class Vocabulary {
  readonly #entries: Map<string, Entry>;

  constructor(themes: readonly Omit<Theme, 'image_count'>[]) {
    const byName = new Map(themes.map((theme) => [theme.name, theme]));
    this.#entries = new Map(
      themes.map((theme) => {
        const ancestors = lineage(theme.parent, byName);
        const texts = [theme, ...ancestors].flatMap((one) => [one.name, one.display_name]);
        const entry: Entry = {
          name: theme.name,
          synonyms: normalTags(theme.synonyms),
          words: wordsOf([...texts, ...theme.synonyms].join(' ')),
          family: [theme.name],
        };
        return [theme.name, entry];
      }),
    );
    for (const theme of themes) {
      for (const ancestor of lineage(theme.parent, byName)) {
        this.#entries.get(ancestor.name)?.family.push(theme.name);
      }
    }
  }

  /** A theme and its descendants; else those it is a synonym of; else the text itself. */
  familyOf(text: string): string[] {
    const entry = this.#entries.get(text);
    if (entry) return entry.family;
    const meant = [...this.#entries.values()].filter(({ synonyms }) => synonyms.includes(text));
    return meant.length > 0 ? [...new Set(meant.flatMap(({ family }) => family))] : [text];
  }

  /** Themes whose images a word means, or with `prefix` the beginning of one. */
  themesOfWord(word: string, prefix: boolean): string[] {
    const means = (other: string) => (prefix ? other.startsWith(word) : other === word);
    return [...this.#entries.values()]
      .filter(({ words }) => words.some(means))
      .map(({ name }) => name);
  }
}

function lineage<T extends { parent: string | null }>(
  parent: string | null,
  byName: ReadonlyMap<string, T>,
): T[] {
  const ancestors: T[] = [];
  for (let name = parent; name !== null; ) {
    const ancestor = byName.get(name);
    // A parent may be named before it is described; a loop cannot be stored, but is not followed.
    if (!ancestor || ancestors.includes(ancestor)) break;
    ancestors.push(ancestor);
    name = ancestor.parent;
  }
  return ancestors;
}
