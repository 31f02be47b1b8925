import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../../src/contract/storage.ts';
import { SharedReads } from '../../src/remote-storage/shared-reads.ts';

function call(signal = new AbortController().signal): Call {
  return { requestId: 'r', deadline: Date.now() + 5_000, signal };
}

/** A read that ends when the test says so. */
function reading() {
  const asked: { call: Call; answer(value: string): void; fail(error: Error): void }[] = [];
  const read = (call: Call) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    asked.push({ call, answer: resolve, fail: reject });
    return promise;
  };
  return { asked, read };
}

test('equal reads at the same time are asked once, others and later ones by themselves', async () => {
  const reads = new SharedReads();
  const { asked, read } = reading();
  const two = [reads.share('a', call(), read), reads.share('a', call(), read)];
  const other = reads.share('b', call(), read);
  assert.equal(asked.length, 2);
  asked[0]!.answer('A');
  asked[1]!.answer('B');
  assert.deepEqual(await Promise.all([...two, other]), ['A', 'A', 'B']);
  const later = reads.share('a', call(), read);
  asked[2]!.answer('A2');
  assert.equal(await later, 'A2');
});

test('nobody joins a read that began before a change', async () => {
  const reads = new SharedReads();
  const { asked, read } = reading();
  const before = reads.share('a', call(), read);
  reads.endSharing();
  const after = reads.share('a', call(), read);
  asked[1]!.answer('new');
  asked[0]!.answer('old');
  assert.deepEqual(await Promise.all([before, after]), ['old', 'new']);
});

test('one who leaves takes nothing from the others; when all have left the read ends', async () => {
  const reads = new SharedReads();
  const { asked, read } = reading();
  const leaving = [new AbortController(), new AbortController()];
  const [one, two] = leaving.map(({ signal }) => reads.share('a', call(signal), read));
  leaving[0]!.abort(new Error('left'));
  await assert.rejects(one!, /left/);
  assert.equal(asked[0]!.call.signal.aborted, false);
  leaving[1]!.abort(new Error('left too'));
  await assert.rejects(two!, /left too/);
  assert.equal(asked[0]!.call.signal.aborted, true);
  asked[0]!.fail(new Error('nobody hears this'));
});
