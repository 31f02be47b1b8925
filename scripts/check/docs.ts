import { posix } from 'node:path';
import { type Setting, shownDefault } from '../../src/settings.ts';
import { fault, type Source } from './source.ts';

/** What the documents say, held against what is there. */

/** Links and paths to files of the project that are not there; `exists` takes paths from its root. */
export function pathFaults(
  documents: readonly Source[],
  exists: (path: string) => boolean,
): string[] {
  return documents.flatMap((document) => {
    const folder = posix.dirname(document.path);
    const links = [...document.text.matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)/g)].map((match) => {
      return { offset: match.index, path: posix.join(folder, decodeURI(match[1]!)) };
    });
    const named = /(?<![\w/.(-])(?:bin|src|client|test|bench|scripts|docs)\/[\w/.-]*\w/g;
    const paths = [...document.text.matchAll(named)].map((match) => {
      return { offset: match.index, path: match[0] };
    });
    return [...links, ...paths]
      .filter(({ path }) => !exists(path))
      .map(({ offset, path }) => fault(document, offset, `${path} is not there`));
  });
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

type Described = Pick<Setting<unknown>, 'name' | 'default' | 'required'>;

/** The settings in a document's table, ``| `NAME` | default |``, against those of the code. */
export function settingFaults(document: Source, settings: readonly Described[]): string[] {
  const rows = [...document.text.matchAll(/^\| *`([A-Z][A-Z0-9_]+)` *\| *`?([^`|]*?)`? *\|/gm)];
  const told = rows.flatMap((row) => {
    const setting = settings.find(({ name }) => name === row[1]);
    if (!setting) return [fault(document, row.index, `there is no setting ${row[1]}`)];
    const value = shownDefault(setting);
    if (value === row[2]) return [];
    return [
      fault(document, row.index, `the default of ${setting.name} is ${value}, not ${row[2]}`),
    ];
  });
  const missing = settings.filter(({ name }) => !rows.some((row) => row[1] === name));
  return [
    ...told,
    ...missing.map(({ name }) => fault(document, 0, `the setting ${name} is missing`)),
  ];
}

/** Rows of a document's import table, ``| `folder` | … | `a`, `b` |``, against the one in force. */
export function importTableFaults(
  document: Source,
  mayImport: Readonly<Record<string, readonly string[]>>,
): string[] {
  const inSrc = /^src\/(?!settings\.ts)/;
  const rows = [...document.text.matchAll(/^\| *`((?:src\/)?[a-z-]+)` *\|.*\| *([^|\n]*?) *\|$/gm)];
  return rows.flatMap((row) => {
    const allowed = mayImport[row[1]!];
    if (!allowed) return [fault(document, row.index, `the import table has no row ${row[1]}`)];
    if (row[2] === 'everything') {
      return allowed.includes('src') ? [] : [fault(document, row.index, `not everything`)];
    }
    const inForce = allowed.filter((path) => inSrc.test(path)).map((path) => path.slice(4));
    const told = [...row[2]!.matchAll(/`([^`]+)`/g)].map((name) => name[1]!);
    if (told.sort().join() === inForce.sort().join()) return [];
    const message = `${row[1]} may import ${inForce.join(', ') || 'nothing'}, not ${row[2]}`;
    return [fault(document, row.index, message)];
  });
}
