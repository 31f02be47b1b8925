import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { linkFaults, scriptFaults, settingFaults } from './check/docs.ts';
import { crowdedFolders, houseFaults } from './check/house.ts';
import { importFaults } from './check/imports.ts';
import { CODE_FOLDERS, readSources, type Source } from './check/source.ts';

/** `npm run check`, after Biome and tsc: what neither of them can know. */

const root = fileURLToPath(new URL('..', import.meta.url));
const code = readSources(
  root,
  CODE_FOLDERS.map((folder) => `${folder}/**/*.ts`),
);
const documents = readSources(root, ['*.md', 'docs/**/*.md']);
const { dependencies, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const readme = documents.find(({ path }) => path === 'README.md');

const faults = [
  ...importFaults(code, { dependencies: Object.keys(dependencies) }),
  ...houseFaults(code),
  ...linkFaults(documents, (path) => existsSync(join(root, path))),
  ...scriptFaults(documents, Object.keys(scripts)),
  ...(readme ? settingFaults(readme, await settingNames(code)) : ['README.md:1: is missing']),
];
for (const advice of crowdedFolders(code)) console.warn(`advice: ${advice}`);
for (const fault of faults) console.error(fault);
console.log(`${code.length} files, ${documents.length} documents: ${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;

/** Every exported table of settings in src, wherever it stands. */
async function settingNames(sources: readonly Source[]): Promise<string[]> {
  const tables = sources.filter(
    ({ path, text }) => path.startsWith('src/') && /satisfies Setting</.test(text),
  );
  const modules = await Promise.all(
    tables.map(({ path }) => import(pathToFileURL(join(root, path)).href)),
  );
  const exported = modules.flatMap((module) => Object.values(module).map(Object));
  const settings = exported.flatMap((table) => Object.values(table).map(Object));
  return settings.filter(({ describe }) => describe).map(({ name }) => name);
}
