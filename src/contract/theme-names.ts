import { folded } from './folded.ts';
import { LABEL_MAX_CHARACTERS } from './limits.ts';
import type { Theme } from './theme.ts';

/**
 * The ways to name a theme. "High Fantasy", "high-fantasy" and "HIGH_FANTASY" are all
 * `high_fantasy`; display names and synonyms are compared in the same form.
 */

const SLUG = /^[a-z0-9]+(_[a-z0-9]+)*$/;
/** Words and what stands between or around them in a name. Paths and escapes are not names. */
const NAME = /^[\p{L}\p{N}\p{M}\p{Zs}\p{Pd}_'‘’ʼ´`.,:;!?&+()]*$/u;
/** What only programs write: __proto__, or a slug that was put together wrongly. */
const STRAY_UNDERSCORES = /^_|_$|__/;
/** Bounds the work on a text that is too long to be a name. */
const NAME_MAX_CODE_UNITS = 500;

export function isSlug(text: string): boolean {
  return SLUG.test(text) && text.length <= LABEL_MAX_CHARACTERS;
}

/** The form in which names are compared: words without case and accents, joined by underscores. */
export function themeKey(text: string): string {
  return folded(text.slice(0, NAME_MAX_CODE_UNITS))
    .replaceAll("'", '')
    .replace(/[^\p{L}\p{N}\p{M}]+/gu, '_')
    .replace(/^_|_$/g, '');
}

/** The slug that a name stands for. What stands for none stays as it is, and no schema accepts it. */
export function themeSlug(name: string): string {
  if (SLUG.test(name) || name.length > NAME_MAX_CODE_UNITS) return name;
  const trimmed = name.trim();
  const isName = NAME.test(trimmed) && !STRAY_UNDERSCORES.test(trimmed);
  const key = isName ? themeKey(trimmed) : '';
  return SLUG.test(key) ? key : name;
}

type Named = Pick<Theme, 'name' | 'display_name' | 'synonyms'>;

/**
 * The theme with this slug; else the only one with this display name; else the only one with this
 * synonym.
 */
export function meantTheme<T extends Named>(themes: readonly T[], slug: string): T | undefined {
  const named = themes.find(({ name }) => name === slug);
  if (named) return named;
  const displayed = themes.filter(({ display_name }) => themeKey(display_name) === slug);
  if (displayed.length > 0) return only(displayed);
  return only(themes.filter(({ synonyms }) => synonyms.some((one) => themeKey(one) === slug)));
}

function only<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined;
}
