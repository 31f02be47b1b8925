import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WaitingLine } from '../../src/image-service/request/waiting-line.ts';

const next = (line: WaitingLine<number>, now: number) => line.next(now, false);

/** A line in which one after the other has waited since these times. */
function lineOf(...since: number[]) {
  const line = new WaitingLine<number>();
  for (const time of since) line.add(time, time);
  return line;
}

describe('a line of those that wait', () => {
  test('has nobody next when it is empty', () => {
    assert.equal(next(lineOf(), 0), undefined);
  });

  test('has the oldest next, and forgets who left', () => {
    const line = lineOf(1, 2, 3);
    line.delete(2);
    assert.deepEqual([next(line, 50), next(line, 50), next(line, 50)], [1, 3, undefined]);
    assert.equal(line.size, 0);
  });

  test('keeps to it through a burst, though some wait for long', () => {
    const line = lineOf(1, 2, 3, 4);
    assert.deepEqual(
      [100, 200, 300, 399].map((now) => next(line, now)),
      [1, 2, 3, 4],
    );
  });

  test('that stands has the newest next, while that one can be prompt', () => {
    const line = lineOf(1, 2, 3);
    assert.equal(next(line, 200), 1);
    for (const time of [480, 495, 498]) line.add(time, time);
    assert.deepEqual([next(line, 500), next(line, 501), next(line, 502)], [498, 495, undefined]);
    assert.equal(line.size, 3);
  });

  test('that stands has the newest next, however late, where nobody is being served', () => {
    const line = lineOf(1, 2, 3);
    assert.equal(next(line, 200), 1);
    assert.equal(next(line, 500), undefined);
    assert.deepEqual([line.next(501, true), line.next(502, true)], [3, 2]);
  });

  test('stands for a second more when those that waited for long are gone', () => {
    const line = lineOf(1, 2);
    assert.deepEqual([next(line, 200), next(line, 500)], [1, undefined]);
    line.delete(2);
    for (const time of [1_410, 1_420]) line.add(time, time);
    assert.equal(next(line, 1_425), 1_420);
    for (const time of [1_510, 1_520]) line.add(time, time);
    assert.deepEqual([next(line, 1_525), next(line, 1_525)], [1_410, 1_510]);
  });

  test('takes one that is late for another for a new burst', () => {
    const line = lineOf(1, 2);
    assert.equal(next(line, 200), 1);
    assert.equal(next(line, 210), 2);
    for (const time of [600, 610]) line.add(time, time);
    assert.deepEqual([next(line, 640), next(line, 750)], [600, 610]);
  });
});
