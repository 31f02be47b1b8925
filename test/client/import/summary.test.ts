import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressLine, showProgress } from '../../../client/import/progress.ts';
import { summary } from '../../../client/import/summary.ts';
import { Tally } from '../../../client/import/tally.ts';

function tallyOf(changes: Partial<Tally>): Tally {
  return Object.assign(new Tally(), changes);
}

test('the summary tells what became of every file, and why', () => {
  const tally = tallyOf({ taken: 1_200, takenBytes: 5e6, alreadyThere: 3, deletedThere: 2 });
  tally.skip('.a\u001b', 'hidden');
  tally.skip('.b', 'hidden');
  for (let i = 0; i < 25; i++) tally.skipNotImage(`${i}.txt`);
  tally.refuse('elves/\u001b[2Jbad.png', { code: 'image_unreadable', message: 'It is cut.' });
  const text = summary(tally);
  assert.match(text, /^taken +1,200 +5 MB$/m);
  assert.match(text, /^already there +3$/m);
  assert.match(text, /^deleted there +2 +imported before, deleted since/m);
  assert.match(text, /^skipped +2 +hidden\n {2}\.a\ufffd\n {2}\.b$/m);
  assert.match(
    text,
    /^skipped +25 +not a PNG.*\n {2}0\.txt\n(.*\n){18} {2}19\.txt\n {2}and 5 more$/m,
  );
  assert.match(text, /^refused +1$/m);
  assert.match(text, /^ {2}elves\/\ufffd\[2Jbad\.png: image_unreadable, It is cut\.$/m);
});

test('of ten thousand refusals the first are shown and all are counted', () => {
  const tally = new Tally();
  for (let i = 0; i < 10_000; i++) tally.refuse(`${i}.png`, { code: 'c', message: 'm' });
  assert.match(summary(tally), /^refused +10,000$/m);
  assert.match(summary(tally), / {2}99\.png: c, m\n {2}and 9,900 more\n/);
});

test('the bar is full at the end and absent while the total is unknown', () => {
  const tally = tallyOf({ taken: 10, notImages: 10 });
  assert.match(progressLine(tally, undefined), /^20 files, 10 taken/);
  assert.match(progressLine(tally, 40), /^\[#{8}\.{8}\] 50% 20 of 40 files/);
  assert.match(progressLine(tally, 20), /^\[#{16}\] 100%/);
});

test('a terminal gets its line cleared when the import ends', () => {
  const written: string[] = [];
  const screen = { isTTY: true, columns: 40, write: (text: string) => written.push(text) };
  showProgress(screen, new Tally(), () => 1)();
  assert.deepEqual(written, ['\r\x1b[K']);
});
