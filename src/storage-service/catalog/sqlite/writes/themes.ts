import type { DatabaseSync } from 'node:sqlite';
import { invalid, ServiceError } from '../../../../contract/errors.ts';
import { THEME_MAX_DEPTH, THEMES_MAX } from '../../../../contract/limits.ts';
import { displayName } from '../../../../contract/seed-themes.ts';
import type { Theme, ThemeFields } from '../../../../contract/theme.ts';
import { type Row, toTheme } from '../rows.ts';

export const THEME_COLUMNS = 'name, display_name, description, parent, synonyms, image_count';

/** In order of name. */
export function allThemes(db: DatabaseSync): Theme[] {
  const rows = db.prepare(`select ${THEME_COLUMNS} from themes order by name`).all();
  return (rows as Row[]).map(toTheme);
}

/** Describes a theme, new or known. Throws theme_cycle, too_many_themes, invalid_request. */
export function putTheme(
  db: DatabaseSync,
  name: string,
  fields: ThemeFields,
): { theme: Theme; created: boolean } {
  const themes = allThemes(db);
  const existing = themes.find((theme) => theme.name === name);
  if (!existing) requireRoomForTheme(themes.length);
  const theme: Theme = {
    name,
    display_name: fields.display_name || displayName(name),
    description: fields.description ?? null,
    parent: fields.parent ?? null,
    synonyms: [...new Set(fields.synonyms ?? [])],
    image_count: existing?.image_count ?? 0,
  };
  requireSoundTree([...themes.filter((other) => other.name !== name), theme], theme);
  db.prepare(
    `insert into themes (name, display_name, description, parent, synonyms)
     values (?, ?, ?, ?, ?)
     on conflict (name) do update set display_name = excluded.display_name,
       description = excluded.description, parent = excluded.parent, synonyms = excluded.synonyms`,
  ).run(
    theme.name,
    theme.display_name,
    theme.description,
    theme.parent,
    JSON.stringify(theme.synonyms),
  );
  db.exec(`update settings set value = value + 1 where name = 'vocabulary_version'`);
  return { theme, created: existing === undefined };
}

/** The parent exists, no theme is its own ancestor, and no line of descent is too long. */
function requireSoundTree(themes: readonly Theme[], changed: Theme): void {
  const parents = new Map(themes.map((theme) => [theme.name, theme.parent]));
  if (changed.parent !== null && changed.parent !== changed.name && !parents.has(changed.parent)) {
    throw invalid([{ field: 'parent', message: 'must be the name of a theme that exists' }]);
  }
  for (const { name } of themes) {
    let depth = 1;
    for (let parent = parents.get(name); parent; parent = parents.get(parent)) {
      depth += 1;
      if (depth > themes.length) {
        const message = `"${changed.parent}" is "${changed.name}" itself or descends from it; a theme cannot be its own ancestor.`;
        throw new ServiceError('theme_cycle', message);
      }
    }
    if (depth > THEME_MAX_DEPTH) {
      const message = `must leave every theme at most ${THEME_MAX_DEPTH} levels deep; ${name} would be at ${depth}`;
      throw invalid([{ field: 'parent', message }]);
    }
  }
}

export function requireRoomForTheme(count: number): void {
  if (count < THEMES_MAX) return;
  const message = `There are ${THEMES_MAX} themes already, as many as can be; use one of them.`;
  throw new ServiceError('too_many_themes', message);
}
