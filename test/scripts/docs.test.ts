import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkFaults, routeFaults, scriptFaults, settingFaults } from '../../scripts/check/docs.ts';

test('a link to a file that is not there is found', () => {
  const text = '[a](there.md#part) [b](../README.md)\n[c](gone.md) [d](#here) [e](https://x.org/y)';
  const exists = (path: string) => ['docs/there.md', 'README.md'].includes(path);
  assert.deepEqual(linkFaults([{ path: 'docs/a.md', text }], exists), [
    'docs/a.md:2: docs/gone.md is not there',
  ]);
});

test('a command that package.json does not have is found', () => {
  const text = 'npm ci && npm start\n`npm run import -- DIR`, `npm run ship`, npm test';
  assert.deepEqual(scriptFaults([{ path: 'README.md', text }], ['start', 'test', 'import']), [
    'README.md:2: package.json has no script "ship"',
  ]);
});

test('a setting told but not there, and one there but not told, are found', () => {
  const text = '| name | default |\n| --- | --- |\n| `PORT` | 8000 |\n| `PROT` | 1 |\n';
  assert.deepEqual(settingFaults({ path: 'README.md', text }, ['PORT', 'HOST']), [
    'README.md:4: there is no setting PROT',
    'README.md:1: the setting HOST is missing',
  ]);
});

test('the same for routes', () => {
  const text = '| `GET /a` | one |\n| `POST /a/{id}` | two |\n';
  assert.deepEqual(routeFaults({ path: 'docs/http-api.md', text }, ['GET /a', 'PUT /a']), [
    'docs/http-api.md:2: there is no route POST /a/{id}',
    'docs/http-api.md:1: the route PUT /a is missing',
  ]);
});
