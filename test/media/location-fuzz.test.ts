import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FORMAT_TABLE } from '../../src/media/formats.ts';
import { applyEdits } from '../../src/media/location/apply.ts';
import { ByteSource, MalformedError } from '../../src/media/location/byte-source.ts';
import { CARRIERS, creditedTiff } from '../fixtures/credited.ts';
import { FILMED } from '../fixtures/films.ts';
import { HIDDEN } from '../fixtures/hidden.ts';
import { LOCATED } from '../fixtures/located.ts';

/** Enough that every kind of length is hit; the scan of one file takes well under a millisecond. */
const MUTANTS_PER_FILE = 8;
const MUTATIONS_MAX = 4;
/** A file of 200 KB is mostly pixels; metadata stands in its first and last bytes. */
const EDGE_BYTES = 2_000;

test('a scanner ends with edits that leave no place to find, or with a refusal, whatever the bytes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'location-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'mutant');
  const carried = Object.values(CARRIERS).map(({ format, bytes }) => ({
    format,
    bytes: () => bytes(creditedTiff()),
  }));
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const interesting = [0, 1, 2, 0x7f, 0x80, 0xff];
  let cleaned = 0;
  for (const { format, bytes } of [
    ...carried,
    ...FILMED.filter(({ format }) => format !== 'gif'),
    ...LOCATED,
    ...HIDDEN,
  ]) {
    const whole = await bytes();
    for (let n = 0; n < MUTANTS_PER_FILE; n += 1) {
      const mutant = Buffer.from(whole);
      for (let change = random(MUTATIONS_MAX); change >= 0; change -= 1) {
        const edge = random(Math.min(EDGE_BYTES, mutant.length));
        const at = random(2) === 0 ? edge : mutant.length - 1 - edge;
        mutant[at] = random(2) === 0 ? interesting[random(interesting.length)]! : random(256);
      }
      const kept = random(8) === 0 ? mutant.subarray(0, random(mutant.length)) : mutant;
      if (kept.length < 64) continue;
      // Whether a mutant is refused or cleaned, its cleaned form has nothing more to remove.
      const edits = await editsOf(path, kept, format);
      if (edits === null || edits.length === 0) continue;
      await rm(`${path}.clean`, { force: true });
      await applyEdits(path, `${path}.clean`, edits);
      const again = await editsOf(path, await readFile(`${path}.clean`), format);
      assert.deepEqual(again, [], `${format}, mutant ${n}`);
      cleaned += 1;
    }
  }
  assert.ok(cleaned > 50, `${cleaned} mutants were cleaned`);
});

async function editsOf(path: string, bytes: Buffer, format: keyof typeof FORMAT_TABLE) {
  await writeFile(path, bytes);
  const source = new ByteSource(path);
  try {
    const { edits } = FORMAT_TABLE[format].scan(source);
    let end = 0;
    for (const { offset, length } of edits) {
      assert.ok(offset >= end && offset + length <= bytes.length);
      end = offset + length;
    }
    return edits;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return null;
  } finally {
    source.close();
  }
}
