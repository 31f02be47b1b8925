import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importFaults } from '../../scripts/check/imports.ts';

/** Faults of one file. */
function faultsOf(path: string, text: string): string[] {
  return importFaults([{ path, text }], { dependencies: ['fastify', '@fastify/multipart'] });
}

function assertFault(path: string, text: string, expected: RegExp) {
  const faults = faultsOf(path, text);
  assert.equal(faults.length, 1, `${path}: ${faults.join('\n') || 'no fault found'}`);
  assert.match(faults[0]!, expected);
}

test('an import across the table is found, in whatever form', () => {
  const forms = [
    "import { a } from '../storage-service/store.ts';",
    "import type { A } from '../storage-service/store.ts';",
    "import {\n  a,\n  b,\n} from '../storage-service/store.ts';",
    "import '../storage-service/store.ts';",
    "export * from '../storage-service/store.ts';",
    "export type { A } from '../storage-service/store.ts';",
    "const a = await import('../storage-service/store.ts');",
    "new Worker(new URL('../storage-service/store.ts', import.meta.url));",
  ];
  for (const form of forms) {
    assertFault(
      'src/image-service/server.ts',
      form,
      /^src\/image-service\/server\.ts:1: .*may not/,
    );
  }
});

test('the line of the import is told', () => {
  const text = "import a from './a.ts';\n\nimport b from '../hub/b.ts';\n";
  assertFault('src/media/x.ts', text, /^src\/media\/x\.ts:3: /);
});

test('rows allow what the table says', () => {
  const allowed: [string, string][] = [
    ['src/contract/image.ts', "import { Type } from 'typebox';\nimport './limits.ts';"],
    ['src/storage-service/blobs/x.ts', "import { a } from '../../contract/errors.ts';"],
    ['src/image-service/config.ts', "import { a } from '../settings.ts';"],
    ['src/remote-storage/ask.ts', "import { a } from '../hub/hub.ts';"],
    ['client/client.ts', "import { a } from '../src/contract/limits.ts';"],
    ['bin/all-in-one.ts', "import { a } from '../src/image-service/server.ts';"],
    ['test/x.test.ts', "import { a } from '../client/client.ts';"],
  ];
  for (const [path, text] of allowed) {
    assert.deepEqual(importFaults([{ path, text }], { dependencies: ['typebox'] }), []);
  }
});

test('the contract uses no module of Node, the client no package and nothing else of ours', () => {
  assertFault('src/contract/x.ts', "import { a } from 'node:fs';", /no module of Node/);
  assertFault('src/contract/x.ts', "import { a } from '../settings.ts';", /nothing of ours/);
  assertFault('client/x.ts', "import { a } from 'fastify';", /no package/);
  assertFault('client/x.ts', "import { a } from '../src/settings.ts';", /may import src\/contract/);
});

test('what ships imports only dependencies; types may come from elsewhere', () => {
  assertFault('src/image-service/x.ts', "import a from 'left/pad';", /imports left,/);
  assertFault('bin/x.ts', "import a from '@types/left';", /imports @types\/left,/);
  assert.deepEqual(faultsOf('bin/x.ts', "import a from '@fastify/multipart/more';"), []);
  assert.deepEqual(faultsOf('bin/x.ts', "import type { A } from 'left';"), []);
  assert.deepEqual(faultsOf('test/x.ts', "import a from 'left';"), []);
});

test('a file outside of every row is found', () => {
  assertFault('src/odd/x.ts', "import './y.ts';", /no row of the import table/);
});

test('reading the environment is for bin alone', () => {
  assertFault(
    'src/media/x.ts',
    '\nconst a = process.env.A;',
    /^src\/media\/x\.ts:2: reads process/,
  );
  assert.deepEqual(faultsOf('src/media/x.ts', '// process.env\n/* process.env */'), []);
  assert.deepEqual(faultsOf('bin/x.ts', 'process.env.A'), []);
});

test('a circle of imports is found once; types close none', () => {
  const files = [
    { path: 'src/media/a.ts', text: "import './b.ts';" },
    { path: 'src/media/b.ts', text: "import './c.ts';" },
    { path: 'src/media/c.ts', text: "import './a.ts';" },
    { path: 'src/media/d.ts', text: "import './a.ts';\nimport type { E } from './e.ts';" },
    { path: 'src/media/e.ts', text: "import './d.ts';" },
  ];
  assert.deepEqual(importFaults(files, { dependencies: [] }), [
    'src/media/a.ts:1: imports go in a circle: src/media/a.ts → src/media/b.ts → src/media/c.ts → src/media/a.ts',
  ]);
});
