import { posix } from 'node:path';
import { fault, type Source } from './source.ts';

/**
 * Who may import whom: the table of docs/architecture.md. A row holds for the files under its
 * path; a file may always import its own row.
 */
const contract = 'src/contract';
const settings = 'src/settings.ts';
const telemetry = 'src/telemetry';
const media = 'src/media';
const http = 'src/http';
const everything = '';

export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  [contract]: [],
  [settings]: [],
  'src/hub': [contract, settings],
  [telemetry]: [contract, settings],
  [media]: [contract, settings],
  [http]: [contract, telemetry],
  'src/remote-storage': [contract, settings, telemetry, http, 'src/hub'],
  'src/image-service': [contract, settings, telemetry, http, media],
  'src/storage-service': [contract, settings, telemetry, media],
  client: [contract],
  bin: ['src', 'package.json'],
  scripts: [everything],
  test: [everything],
  bench: [everything],
};

/** Code that is used alone, in a browser say: no `node:` module. */
const WITHOUT_NODE = [contract];
/** Code that speaks HTTP by what Node brings: no package. */
const WITHOUT_PACKAGES = ['client', settings];
/** Code that is installed where development packages are not. */
const SHIPPED = ['src', 'bin', 'client'];
const MAY_READ_ENVIRONMENT = ['bin', 'test', 'bench', 'scripts'];

type Import = { specifier: string; offset: number; typeOnly: boolean };

export type Packages = { dependencies: readonly string[] };

/** One sentence for each import or use of the environment that the table does not allow. */
export function importFaults(sources: readonly Source[], packages: Packages): string[] {
  const faults = sources.flatMap((source) => [
    ...importsOf(source).flatMap((found) => {
      const message = found.specifier.startsWith('.')
        ? wrongFolder(source.path, found.specifier)
        : wrongPackage(source.path, found, packages);
      return message ? [fault(source, found.offset, message)] : [];
    }),
    ...environmentFaults(source),
  ]);
  return [...faults, ...cycleFaults(sources)];
}

/** Static and dynamic imports, and files that are started as a worker. */
export function importsOf({ text }: Source): Import[] {
  const statement = /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm;
  const dynamic = /\bimport\(\s*'([^']+)'/g;
  const started = /\bnew URL\(\s*'(\.[^']+\.ts)',\s*import\.meta\.url/g;
  return [
    ...text.matchAll(statement).map((match) => ({
      specifier: match[2]!,
      offset: match.index,
      typeOnly: match[1] !== undefined,
    })),
    ...[dynamic, started].flatMap((pattern) =>
      [...text.matchAll(pattern)].map((match) => ({
        specifier: match[1]!,
        offset: match.index,
        typeOnly: false,
      })),
    ),
  ];
}

function wrongFolder(path: string, specifier: string): string | undefined {
  const row = Object.keys(MAY_IMPORT).find((folder) => isUnder(path, folder));
  if (!row) return 'belongs to no row of the import table (scripts/check/imports.ts)';
  const target = resolved(path, specifier);
  const allowed = [row, ...MAY_IMPORT[row]!];
  if (allowed.some((folder) => isUnder(target, folder))) return undefined;
  return `${row} may not import ${target}; it may import ${MAY_IMPORT[row]!.join(', ') || 'nothing of ours'}`;
}

function wrongPackage(path: string, { specifier, typeOnly }: Import, packages: Packages) {
  const inAny = (folders: string[]) => folders.some((folder) => isUnder(path, folder));
  if (specifier.startsWith('node:')) {
    return inAny(WITHOUT_NODE) ? `may not import ${specifier}: no module of Node here` : undefined;
  }
  if (inAny(WITHOUT_PACKAGES)) return `may not import ${specifier}: no package here`;
  const name = specifier.match(/^(@[^/]+\/)?[^/]+/)![0];
  if (typeOnly || !inAny(SHIPPED) || packages.dependencies.includes(name)) return undefined;
  return `imports ${name}, which is not among the dependencies in package.json`;
}

function environmentFaults(source: Source): string[] {
  if (MAY_READ_ENVIRONMENT.some((folder) => isUnder(source.path, folder))) return [];
  const code = source.text.replaceAll(/\/\*.*?\*\/|\/\/.*$/gms, (comment) =>
    ' '.repeat(comment.length),
  );
  return [...code.matchAll(/\bprocess\.env\b/g)].map((match) =>
    fault(source, match.index, 'reads process.env, which bin alone does; take the value instead'),
  );
}

/** Each circle of imports once, named by the file that comes first in it. */
function cycleFaults(sources: readonly Source[]): string[] {
  const graph = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
        .map(({ specifier }) => resolved(source.path, specifier)),
    ]),
  );
  const faults: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) {
      const circle = [...trail.slice(trail.indexOf(path)), path];
      faults.push(`${path}:1: imports go in a circle: ${circle.join(' → ')}`);
    } else if (!done.has(path)) {
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of graph.keys()) visit(path, []);
  return faults;
}

function isUnder(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}

function resolved(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}
