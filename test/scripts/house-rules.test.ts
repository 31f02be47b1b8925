import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crowdedFolders, houseFaults } from '../../scripts/check/house.ts';

test('a file that is too long is found', () => {
  const text = 'x\n'.repeat(301);
  assert.deepEqual(houseFaults([{ path: 'src/long.ts', text: text.slice(2) }]), []);
  assert.match(houseFaults([{ path: 'src/long.ts', text }])[0]!, /has 301 lines/);
});

test('empty words in names are found, words that only contain them are not', () => {
  const paths = ['src/utils/a.ts', 'src/image-manager.ts', 'src/base.ts', 'src/repositories.ts'];
  for (const path of paths) assert.equal(houseFaults([{ path, text: '' }]).length, 1, path);
  const fine = ['src/database.ts', 'src/utility.ts', 'test/house.test.ts'];
  for (const path of fine) assert.deepEqual(houseFaults([{ path, text: '' }]), [], path);
});

test('names in another case are found', () => {
  for (const path of ['src/imageStore.ts', 'src/Image/store.ts', 'src/image_store.ts']) {
    assert.match(houseFaults([{ path, text: '' }])[0]!, /names are-written-like-this/);
  }
});

test('a crowded folder is told', () => {
  const sources = Array.from({ length: 8 }, (_, i) => ({ path: `src/wide/${i}.ts`, text: '' }));
  assert.deepEqual(crowdedFolders(sources), ['src/wide/ has 8 entries; 7 is well']);
  assert.deepEqual(crowdedFolders(sources.slice(1)), []);
});
