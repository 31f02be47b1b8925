import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the project. */
export type Source = {
  /** From the root of the project, with `/`. */
  path: string;
  text: string;
};

/** The code of the project is in these folders. */
export const CODE_FOLDERS = ['bin', 'src', 'client', 'test', 'bench', 'scripts'] as const;

export function readSources(root: string, patterns: readonly string[]): Source[] {
  const paths = globSync([...patterns], { cwd: root, exclude: ['**/node_modules/**', 'data/**'] });
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** `path:line: message`, as editors and terminals can open it. */
export function fault({ path, text }: Source, offset: number, message: string): string {
  return `${path}:${text.slice(0, offset).split('\n').length}: ${message}`;
}
