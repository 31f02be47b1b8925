import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  importTableFaults,
  pathFaults,
  scriptFaults,
  settingFaults,
} from '../../scripts/check/docs.ts';
import { numberFaults } from '../../scripts/check/numbers.ts';

test('a link or path to a file that is not there is found', () => {
  const text =
    '[a](there.md#part) [b](../README.md) [c](../src/)\n[d](gone.md) [e](#here) ' +
    '[f](https://x.org/y)\n`src/media` and `src/maps/a.ts`';
  const exists = (path: string) =>
    ['docs/there.md', 'README.md', 'src/', 'src/media'].includes(path);
  assert.deepEqual(pathFaults([{ path: 'docs/a.md', text }], exists), [
    'docs/a.md:2: docs/gone.md is not there',
    'docs/a.md:3: src/maps/a.ts is not there',
  ]);
});

test('a command that package.json does not have is found', () => {
  const text = 'npm ci && npm start\n`npm run import -- DIR`, `npm run ship`, npm test';
  assert.deepEqual(scriptFaults([{ path: 'README.md', text }], ['start', 'test', 'import']), [
    'README.md:2: package.json has no script "ship"',
  ]);
});

test('settings that are not there, not told, or told with another default, are found', () => {
  const rows = ['`PORT` | `8000`', '`PROT` | `1`', '`PROXY` | `on`', '`ORIGINS` | none'];
  const text = rows.map((row) => `| ${row} | meaning |\n`).join('');
  const settings = [
    { name: 'PORT', default: 8000 },
    { name: 'HOST', default: '127.0.0.1' },
    { name: 'PROXY', default: false },
    { name: 'ORIGINS', default: [] },
  ];
  assert.deepEqual(settingFaults({ path: 'README.md', text }, settings), [
    'README.md:2: there is no setting PROT',
    'README.md:3: the default of PROXY is off, not on',
    'README.md:1: the setting HOST is missing',
  ]);
});

test('a row of the import table that is not the one in force is found', () => {
  const table = { 'src/media': ['src/contract', 'src/settings.ts'], client: [], bin: ['src'] };
  const rows = ['`src/media` | bytes | `contract`', '`client` | HTTP | nothing'];
  const text = [...rows, '`bin` | wiring | everything'].map((row) => `| ${row} |\n`).join('');
  const path = 'docs/architecture.md';
  assert.deepEqual(importTableFaults({ path, text }, table), []);
  const wrong = text.replace('nothing', '`media`').replace('src/media', 'src/maps');
  assert.deepEqual(importTableFaults({ path, text: wrong }, table), [
    'docs/architecture.md:1: the import table has no row src/maps',
    'docs/architecture.md:2: client may import nothing, not `media`',
  ]);
});

test('a number that differs from the code, and a sentence that is gone, are found', () => {
  const code = [{ path: 'src/a.ts', text: 'const A_MAX = 1_000;\nconst b = {\n  few: 7,\n};\n' }];
  const text = { path: 'docs/a.md', text: 'Intro.\nAt most 999 calls (7 when late) wait.\n' };
  const constants = ['A_MAX', 'few'].map((name) => ({ file: 'src/a.ts', name }));
  const stated = [
    { text: 'docs/a.md', sentence: /most (\d+) calls \((\d+) when/, constants },
    { text: 'docs/a.md', sentence: /(\d+) sheep/, constants },
  ];
  assert.deepEqual(numberFaults([text], code, stated), [
    'docs/a.md:2: A_MAX is 1000, not 999',
    'docs/a.md:1: no sentence matches /(\\d+) sheep/',
  ]);
});
