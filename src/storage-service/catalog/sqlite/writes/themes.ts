import type { DatabaseSync } from 'node:sqlite';
import { invalid, ServiceError, themeNotFound } from '../../../../contract/errors.ts';
import { THEME_MAX_DEPTH, THEMES_MAX } from '../../../../contract/limits.ts';
import { displayName } from '../../../../contract/seed-themes.ts';
import type { Theme, ThemeFields } from '../../../../contract/theme.ts';
import { meantTheme } from '../../../../contract/theme-names.ts';
import { type Row, toTheme } from '../rows.ts';
import { type SearchIndex, searchTable } from '../search/search-index.ts';
import { facet } from '../search/tokens.ts';
import type { Statements } from '../statements.ts';

/** Named in the refusal to delete their parent. */
const CHILDREN_SHOWN_MAX = 5;

export const THEME_COLUMNS = 'name, display_name, description, parent, synonyms, image_count';

/** In order of name. */
export function allThemes(db: DatabaseSync): Theme[] {
  const rows = db.prepare(`select ${THEME_COLUMNS} from themes order by name`).all();
  return (rows as Row[]).map(toTheme);
}

/** The vocabulary, as the one writer of the catalog changes it within its transactions. */
export class Themes {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #index: SearchIndex;
  /** Slugs that were asked for, and the themes that they mean. */
  readonly #meant = new Map<string, string>();

  constructor(db: DatabaseSync, statements: Statements, index: SearchIndex) {
    this.#db = db;
    this.#index = index;
    this.#statements = statements;
  }

  /** Forgets what it remembers of a transaction that was undone. */
  undone(): void {
    this.#meant.clear();
  }

  /** The theme that a slug means: its own, or one that it is the display name or a synonym of. */
  meant(slug: string): string | undefined {
    const known = this.#meant.get(slug);
    if (known !== undefined) return known;
    const isTheme = this.#statements.get('select 1 from themes where name = ?', slug);
    const name = isTheme ? slug : meantTheme(allThemes(this.#db), slug)?.name;
    if (name !== undefined) this.#meant.set(slug, name);
    return name;
  }

  /** Every theme in use has a row, so that it is listed. Throws too_many_themes. */
  require(name: string): void {
    if (this.#meant.get(name) === name) return;
    if (!this.#statements.get('select 1 from themes where name = ?', name)) {
      requireRoom(this.#statements.get('select count(*) as count from themes')?.count as number);
      const sql = `insert into themes (name, display_name, synonyms) values (?, ?, '[]')`;
      this.#statements.run(sql, name, displayName(name));
      this.#changed(name);
    }
    this.#meant.set(name, name);
  }

  /** Describes a theme, new or known. Throws theme_cycle, too_many_themes, invalid_request. */
  put(name: string, fields: ThemeFields): { theme: Theme; created: boolean } {
    const themes = allThemes(this.#db);
    const existing = themes.find((theme) => theme.name === name);
    if (!existing) requireRoom(themes.length);
    const theme: Theme = {
      name,
      display_name: fields.display_name || displayName(name),
      description: fields.description ?? null,
      parent: parentOf(name, fields.parent ?? null, themes),
      synonyms: [...new Set(fields.synonyms ?? [])],
      image_count: existing?.image_count ?? 0,
    };
    requireSoundTree([...themes.filter((other) => other.name !== name), theme], theme);
    this.#statements.run(
      `insert into themes (name, display_name, description, parent, synonyms)
       values (?, ?, ?, ?, ?)
       on conflict (name) do update set display_name = excluded.display_name,
         description = excluded.description, parent = excluded.parent, synonyms = excluded.synonyms`,
      theme.name,
      theme.display_name,
      theme.description,
      theme.parent,
      JSON.stringify(theme.synonyms),
    );
    this.#changed(name);
    return { theme, created: existing === undefined };
  }

  /** False: it was deleted before. Throws theme_not_found, theme_in_use. */
  delete(name: string, now: number): boolean {
    const theme = this.#statements.get('select image_count from themes where name = ?', name);
    if (!theme) {
      if (this.#statements.get('select 1 from deleted_themes where name = ?', name)) return false;
      throw themeNotFound();
    }
    this.#requireNoChild(name);
    requireUnused(name, theme.image_count as number, () => this.#deletedImages(name));
    this.#statements.run('delete from themes where name = ?', name);
    this.#changed(name);
    this.#statements.run('insert into deleted_themes values (?, ?)', name, now);
    return true;
  }

  #requireNoChild(name: string): void {
    const sql = 'select name from themes where parent = ? order by name limit ?';
    const children = this.#statements.all(sql, name, CHILDREN_SHOWN_MAX + 1);
    if (children.length === 0) return;
    const shown = children.slice(0, CHILDREN_SHOWN_MAX).map((child) => child.name);
    const more = children.length > CHILDREN_SHOWN_MAX ? ' and others' : '';
    const message = `The theme "${name}" is the parent of ${shown.join(', ')}${more}. Give them another parent first.`;
    throw new ServiceError('theme_in_use', message);
  }

  /** By the full-text table: no index of the images has the theme. */
  #deletedImages(name: string): number {
    this.#index.write();
    const table = searchTable(true);
    const sql = `select count(*) as count from ${table} where ${table} match ?`;
    return this.#statements.get(sql, `"${facet('theme', name)}"`)?.count as number;
  }

  /** Readers take the vocabulary anew, and names may mean other themes. */
  #changed(name: string): void {
    this.#meant.clear();
    this.#statements.run('delete from deleted_themes where name = ?', name);
    this.#statements.run(`update settings set value = value + 1 where name = 'vocabulary_version'`);
  }
}

function requireUnused(name: string, live: number, countDeleted: () => number): void {
  const deleted = countDeleted();
  if (live + deleted === 0) return;
  const parts = [];
  if (live > 0) parts.push(images(live, ''));
  if (deleted > 0) parts.push(`${images(deleted, 'deleted ')} that can be restored`);
  const message = `The theme "${name}" is in use by ${parts.join(' and ')}. Give them another theme first.`;
  throw new ServiceError('theme_in_use', message);
}

function images(count: number, kind: string): string {
  return `${count} ${kind}${count === 1 ? 'image' : 'images'}`;
}

function parentOf(name: string, parent: string | null, themes: readonly Theme[]): string | null {
  if (parent === null || parent === name) return parent;
  return meantTheme(themes, parent)?.name ?? parent;
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

function requireRoom(count: number): void {
  if (count < THEMES_MAX) return;
  const message = `There are ${THEMES_MAX} themes already, as many as can be; use one of them.`;
  throw new ServiceError('too_many_themes', message);
}
