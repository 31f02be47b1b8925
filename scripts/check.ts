import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Setting } from '../src/settings.ts';
import { importTableFaults, pathFaults, scriptFaults, settingFaults } from './check/docs.ts';
import { documentFaults } from './check/documents.ts';
import { crowdedFolders, houseFaults } from './check/house.ts';
import { importFaults, MAY_IMPORT } from './check/imports.ts';
import { numberFaults } from './check/numbers.ts';
import { CODE_FOLDERS, readSources, type Source } from './check/source.ts';

/** `npm run check`, after Biome and tsc: what neither of them can know. */

const root = fileURLToPath(new URL('..', import.meta.url));
const code = readSources(
  root,
  CODE_FOLDERS.map((folder) => `${folder}/**/*.ts`),
);
const documents = readSources(root, ['*.md', 'docs/**/*.md']);
const dashboards = readSources(root, ['deploy/grafana/*.json']);
const { dependencies, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const faults = [
  ...importFaults(code, { dependencies: Object.keys(dependencies) }),
  ...houseFaults(code),
  ...pathFaults(documents, (path) => existsSync(join(root, path))),
  ...scriptFaults(documents, Object.keys(scripts)),
  ...numberFaults([...documents, ...dashboards], code),
  ...settingFaults(document('README.md'), await settings(code)),
  ...importTableFaults(document('docs/architecture.md'), MAY_IMPORT),
  ...(await documentFaults()),
];
const source = code.filter(({ path }) => path.startsWith('src/'));
for (const advice of crowdedFolders(source)) console.warn(`advice: ${advice}`);
for (const fault of faults) console.error(fault);
console.log(`${code.length} files, ${documents.length} documents: ${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;

function document(path: string): Source {
  return documents.find((found) => found.path === path) ?? { path, text: '' };
}

/** Of every exported table of settings in src, wherever it stands. */
async function settings(sources: readonly Source[]): Promise<Setting<unknown>[]> {
  const tables = sources.filter(
    ({ path, text }) => path.startsWith('src/') && text.includes('satisfies Setting<'),
  );
  const modules = await Promise.all(
    tables.map(({ path }) => import(pathToFileURL(join(root, path)).href)),
  );
  const exported = modules.flatMap((module) => Object.values(module).map(Object));
  const values = exported.flatMap((table) => Object.values(table).map(Object));
  return values.filter(({ describe, parse }) => describe && parse);
}
