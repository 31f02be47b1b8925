import { posix } from 'node:path';
import { fault, type Source } from './source.ts';

/** What the documents say, held against what is there. */

/** Links to files of the project that are not there. `exists` takes a path from the root. */
export function linkFaults(
  documents: readonly Source[],
  exists: (path: string) => boolean,
): string[] {
  return documents.flatMap((document) =>
    [...document.text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
      const target = match[1]!.replace(/#.*$/, '');
      if (target === '' || /^[a-z]+:/i.test(target)) return [];
      const path = posix.join(posix.dirname(document.path), decodeURI(target));
      return exists(path) ? [] : [fault(document, match.index, `${path} is not there`)];
    }),
  );
}

/** Commands of npm that package.json does not have. */
export function scriptFaults(documents: readonly Source[], scripts: readonly string[]): string[] {
  return documents.flatMap((document) =>
    [...document.text.matchAll(/\bnpm (?:run ([a-z][\w:-]*)|(test|start)\b)/g)].flatMap((match) => {
      const script = match[1] ?? match[2]!;
      if (scripts.includes(script)) return [];
      return [fault(document, match.index, `package.json has no script "${script}"`)];
    }),
  );
}

/** The settings in a document's table (rows that begin with `NAME`) against those of the code. */
export function settingFaults(document: Source, names: readonly string[]): string[] {
  return tableFaults(document, /^\| *`([A-Z][A-Z0-9_]+)`/gm, names, 'setting');
}

/** The routes in a document's table (rows that begin with `METHOD /path`) against the service's. */
export function routeFaults(document: Source, routes: readonly string[]): string[] {
  return tableFaults(document, /^\| *`([A-Z]+ \/[^`]*)`/gm, routes, 'route');
}

function tableFaults(document: Source, row: RegExp, known: readonly string[], what: string) {
  const told = [...document.text.matchAll(row)];
  const names = new Set(told.map((match) => match[1]));
  return [
    ...told
      .filter((match) => !known.includes(match[1]!))
      .map((match) => fault(document, match.index, `there is no ${what} ${match[1]}`)),
    ...known
      .filter((name) => !names.has(name))
      .map((name) => fault(document, 0, `the ${what} ${name} is missing`)),
  ];
}
