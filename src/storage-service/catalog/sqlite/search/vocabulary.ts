import { closest } from '../../../../contract/closest.ts';
import type { Theme } from '../../../../contract/theme.ts';
import { themeKey } from '../../../../contract/theme-names.ts';
import { searchTokens } from './words.ts';

type Entry = {
  name: string;
  displayed: string;
  synonyms: string[];
  /** What a search finds this theme's images by, beyond what is in their own rows. */
  words: ReadonlySet<string>;
  /** The theme itself and all below it. */
  family: string[];
};

/** The themes as queries need them: synonyms and kinship are looked up here, never in image rows. */
export class Vocabulary {
  readonly #entries: Map<string, Entry>;
  /** Themes by each of their names, once one is looked for. */
  #names: Map<string, string> | undefined;

  constructor(themes: readonly Omit<Theme, 'image_count'>[]) {
    const byName = new Map(themes.map((theme) => [theme.name, theme]));
    this.#entries = new Map(
      themes.map((theme) => {
        const ancestors = lineage(theme.parent, byName);
        const texts = [theme, ...ancestors].flatMap((one) => [one.name, one.display_name]);
        const entry: Entry = {
          name: theme.name,
          displayed: themeKey(theme.display_name),
          synonyms: theme.synonyms.map(themeKey),
          words: tokensOf([...texts, ...theme.synonyms].join(' ')),
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

  /** A theme and its descendants; else those that have this display name, or synonym; else none. */
  familyOf(text: string): string[] {
    const key = themeKey(text);
    const named = this.#entries.get(key);
    if (named) return named.family;
    const entries = [...this.#entries.values()];
    const displayed = entries.filter((entry) => entry.displayed === key && key !== '');
    const meant =
      displayed.length > 0
        ? displayed
        : entries.filter((entry) => entry.synonyms.includes(key) && key !== '');
    return [...new Set(meant.flatMap(({ family }) => family))];
  }

  /** A theme whose name, display name or synonym looks much like this text. */
  closestTo(text: string): string | undefined {
    this.#names ??= this.#allNames();
    const found = closest(themeKey(text), this.#names.keys());
    return found === undefined ? undefined : this.#names.get(found);
  }

  #allNames(): Map<string, string> {
    const entries = [...this.#entries.values()];
    const names = new Map(entries.map(({ name, displayed }) => [displayed, name] as const));
    for (const { name } of entries) names.set(name, name);
    for (const { name, synonyms } of entries) {
      for (const synonym of synonyms) if (!names.has(synonym)) names.set(synonym, name);
    }
    names.delete('');
    return names;
  }

  /** Themes whose images have all these tokens, or with `prefix` the last as a beginning. */
  themesOf(tokens: readonly string[], prefix: boolean): string[] {
    const end = tokens.at(-1)!;
    const means = ({ words }: Entry) =>
      tokens.every((token) => token === end || words.has(token)) &&
      (prefix ? words.values().some((word) => word.startsWith(end)) : words.has(end));
    return [...this.#entries.values()].filter(means).map(({ name }) => name);
  }
}

function tokensOf(text: string): ReadonlySet<string> {
  const { words, pieces } = searchTokens(text);
  return words.union(pieces);
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
