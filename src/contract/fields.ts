import { requireAttributesWithinSize } from './attributes.ts';
import { check } from './check.ts';
import { ImageFields, ImagePatch } from './image.ts';
import { CreateImage } from './storage.ts';
import { ThemeFields, ThemeName } from './theme.ts';
import { themeSlug } from './theme-names.ts';

/**
 * What a client says, brought into the one form that is kept, compared and searched. Every door
 * goes through here; the normal form of a normal form is itself.
 */

/** Lines that are kept as they are written, but for blanks around them and their Unicode form. */
const LINES = ['name', 'subtype', 'source_type', 'source_id'] as const;
/** One of a few words, in whatever case. */
const WORDS = ['type', 'visibility'] as const;

export function normalLine(text: string): string {
  return text.trim().normalize('NFC');
}

/** Trimmed, lower case, NFC; duplicates dropped, order kept. */
export function normalTags(tags: readonly string[]): string[] {
  return [...new Set(tags.map((tag) => normalLine(tag.toLowerCase())))];
}

function normal(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const fields: Record<string, unknown> = { ...input };
  for (const name of LINES) {
    const value = fields[name];
    if (typeof value === 'string') fields[name] = normalLine(value);
  }
  for (const name of WORDS) {
    const value = fields[name];
    if (typeof value === 'string') fields[name] = value.trim().toLowerCase();
  }
  const { tags, theme } = fields;
  if (typeof theme === 'string') fields.theme = themeSlug(theme);
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) {
    fields.tags = normalTags(tags);
  }
  return fields;
}

/** Throws invalid_request that names every faulty field. */
export function createFields(input: unknown): CreateImage {
  return requireAttributesWithinSize(check(CreateImage, normal(input)));
}

/** Throws invalid_request that names every faulty field. */
export function wholeFields(input: unknown): ImageFields {
  return requireAttributesWithinSize(check(ImageFields, normal(input)));
}

/** Throws invalid_request that names every faulty field. */
export function patchFields(input: unknown): ImagePatch {
  return requireAttributesWithinSize(check(ImagePatch, normal(input)));
}

/** Throws invalid_request unless the name stands for a slug. */
export function themeName(name: unknown): string {
  const said = typeof name === 'string' ? themeSlug(name) : name;
  return check(ThemeName, { name: said }).name;
}

/** Throws invalid_request that names every faulty field. */
export function themeFields(input: unknown): ThemeFields {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return check(ThemeFields, input);
  }
  const fields: Record<string, unknown> = { ...input };
  const { parent, synonyms } = fields;
  if (typeof parent === 'string') fields.parent = themeSlug(parent);
  if (Array.isArray(synonyms) && synonyms.every((one) => typeof one === 'string')) {
    fields.synonyms = [...new Set(synonyms.map((one) => one.trim()))];
  }
  return check(ThemeFields, fields);
}

/** `Date` would take 30 February for 2 March. */
export function exists(time: string): boolean {
  const [year, month, day] = time.slice(0, 10).split('-').map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && !Number.isNaN(Date.parse(time));
}
