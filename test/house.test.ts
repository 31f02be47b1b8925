import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { houseFaults } from '../scripts/check/house.ts';
import { importFaults } from '../scripts/check/imports.ts';
import { CODE_FOLDERS, readSources } from '../scripts/check/source.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const code = readSources(
  root,
  CODE_FOLDERS.map((folder) => `${folder}/**/*.ts`),
);

test('every file imports only what its row of the import table allows', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(importFaults(code, { dependencies: Object.keys(dependencies) }), []);
});

test('files are of a readable length and are named for what they hold', () => {
  assert.deepEqual(houseFaults(code), []);
});
