import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WaitingLine } from '../../src/image-service/request/waiting-line.ts';

/** A line in which one after the other has waited since these times. */
function lineOf(...since: number[]) {
  const line = new WaitingLine<number>();
  for (const time of since) line.add(time, time);
  return line;
}

describe('a line of those that wait', () => {
  test('has nobody next when it is empty', () => {
    assert.equal(lineOf().next(0), undefined);
  });

  test('has the oldest next, and forgets who left', () => {
    const line = lineOf(1, 2, 3);
    line.delete(2);
    assert.deepEqual([line.next(50), line.next(50), line.next(50)], [1, 3, undefined]);
    assert.equal(line.size, 0);
  });

  test('keeps to it through a burst, though some wait for long', () => {
    const line = lineOf(1, 2, 3, 4);
    assert.deepEqual(
      [100, 200, 300, 399].map((now) => line.next(now)),
      [1, 2, 3, 4],
    );
  });

  test('that stands has the newest next, while that one can be prompt', () => {
    const line = lineOf(1, 2, 3);
    assert.equal(line.next(200), 1);
    for (const time of [480, 495, 498]) line.add(time, time);
    assert.deepEqual([line.next(500), line.next(501), line.next(502)], [498, 495, undefined]);
    assert.equal(line.size, 3);
  });

  test('stands for a second more when those that waited for long are gone', () => {
    const line = lineOf(1, 2);
    assert.deepEqual([line.next(200), line.next(500)], [1, undefined]);
    line.delete(2);
    for (const time of [1_410, 1_420]) line.add(time, time);
    assert.equal(line.next(1_425), 1_420);
    for (const time of [1_510, 1_520]) line.add(time, time);
    assert.deepEqual([line.next(1_525), line.next(1_525)], [1_410, 1_510]);
  });

  test('takes one that is late for another for a new burst', () => {
    const line = lineOf(1, 2);
    assert.equal(line.next(200), 1);
    assert.equal(line.next(210), 2);
    for (const time of [600, 610]) line.add(time, time);
    assert.deepEqual([line.next(640), line.next(750)], [600, 610]);
  });
});
