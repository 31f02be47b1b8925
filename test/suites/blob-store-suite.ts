import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { BlobStore } from '../../src/storage-service/blobs/blob-store.ts';

/**
 * What every BlobStore does. `open` gives an empty one; `staging` is a folder that files can be put
 * from, on the same file system.
 */
export function blobStoreSuite(
  name: string,
  open: (staging: string, t: TestContext) => Promise<BlobStore>,
): void {
  const setup = async (t: TestContext) => {
    const staging = await mkdtemp(join(tmpdir(), 'blobs-'));
    t.after(() => rm(staging, { recursive: true, force: true }));
    const store = await open(staging, t);
    const stage = async (bytes: Uint8Array) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const path = join(staging, `${sha256}.${Math.random()}`);
      await writeFile(path, bytes);
      return { sha256, path, size: bytes.length };
    };
    const put = async (bytes: Uint8Array) => {
      const { sha256, path, size } = await stage(bytes);
      await store.put(sha256, path, size);
      return sha256;
    };
    return { store, stage, put };
  };

  describe(`${name} as a BlobStore`, () => {
    test('gives back the bytes that were put, and their size', async (t) => {
      const { store, put } = await setup(t);
      const bytes = randomBytes(700_000);
      const sha256 = await put(bytes);
      assert.deepEqual(
        await collect(await store.read({ sha256, size_bytes: bytes.length }, null)),
        bytes,
      );
      assert.equal(await store.size(sha256), bytes.length);
    });

    test('reads a range with both of its ends', async (t) => {
      const { store, put } = await setup(t);
      const bytes = randomBytes(600_000);
      const sha256 = await put(bytes);
      const range = { first: 299_990, last: 300_010 };
      assert.deepEqual(
        await collect(await store.read({ sha256, size_bytes: 600_000 }, range)),
        bytes.subarray(299_990, 300_011),
      );
      const one = { first: 599_999, last: 599_999 };
      assert.deepEqual(
        await collect(await store.read({ sha256, size_bytes: 600_000 }, one)),
        bytes.subarray(-1),
      );
    });

    test('leaves the file that was put where it is', async (t) => {
      const { store, stage } = await setup(t);
      const { sha256, path, size } = await stage(randomBytes(100));
      await store.put(sha256, path, size);
      await store.delete(sha256);
      await store.put(sha256, path, size);
      assert.equal(await store.size(sha256), size);
    });

    test('replaces what is there when the same hash is put again', async (t) => {
      const { store, stage } = await setup(t);
      const { sha256, path, size } = await stage(randomBytes(1000));
      const damaged = await stage(randomBytes(10));
      await store.put(sha256, damaged.path, damaged.size);
      await store.put(sha256, path, size);
      assert.equal(await store.size(sha256), size);
    });

    test('tells whether it holds the bytes of a file, and the hash of what it holds', async (t) => {
      const { store, stage } = await setup(t);
      const bytes = randomBytes(600_000);
      const { sha256, path, size } = await stage(bytes);
      assert.equal(await store.holds(sha256, path), false, 'absent');
      assert.equal(await store.hash(sha256), undefined);
      await store.put(sha256, path, size);
      assert.equal(await store.holds(sha256, path), true);
      assert.equal(await store.hash(sha256), sha256);
      const damaged = await stage(flipped(bytes, size - 1));
      await store.put(sha256, damaged.path, size);
      assert.equal(await store.holds(sha256, path), false, 'the last byte');
      const cut = await stage(bytes.subarray(1));
      await store.put(sha256, cut.path, cut.size);
      assert.equal(await store.holds(sha256, path), false, 'the size');
      assert.equal(await store.hash(sha256), cut.sha256);
    });

    test('gives out no whole content that is damaged, nor any part of one of another size', async (t) => {
      const { store, stage } = await setup(t);
      const bytes = randomBytes(600_000);
      const { sha256, path, size } = await stage(bytes);
      const blob = { sha256, size_bytes: size };
      const damaged = await stage(flipped(bytes, 9));
      await store.put(sha256, damaged.path, size);
      let given = 0;
      const reading = (async () => {
        for await (const chunk of (await store.read(blob, null))!) given += chunk.length;
      })();
      await assert.rejects(reading, { code: 'content_damaged' });
      assert.ok(given < size, 'all of it was given out');
      // Known from then on, also for a range, and before anything is given out.
      await assert.rejects(store.read(blob, null), { code: 'content_damaged' });
      await assert.rejects(store.read(blob, { first: 0, last: 3 }), { code: 'content_damaged' });

      const cut = await stage(bytes.subarray(0, 400_000));
      await store.put(sha256, cut.path, cut.size);
      for (const range of [null, { first: 0, last: 3 }]) {
        await assert.rejects(store.read(blob, range), { code: 'content_damaged' });
      }
      await store.put(sha256, path, size);
      assert.deepEqual(await collect(await store.read(blob, null)), bytes, 'put again');
    });

    test('takes the same blob from many at once', async (t) => {
      const { store, stage } = await setup(t);
      const bytes = randomBytes(50_000);
      const files = await Promise.all(Array.from({ length: 8 }, () => stage(bytes)));
      for (const { sha256, path, size } of files) await store.put(sha256, path, size);
      assert.deepEqual(
        await collect(await store.read({ sha256: files[0]!.sha256, size_bytes: 50_000 }, null)),
        bytes,
      );
    });

    test('knows nothing of a blob that was never put', async (t) => {
      const { store } = await setup(t);
      const absent = 'ab'.repeat(32);
      assert.equal(await store.read({ sha256: absent, size_bytes: 1 }, null), undefined);
      assert.equal(await store.size(absent), undefined);
      assert.equal(await store.delete(absent), false);
    });

    test('deletes a blob once', async (t) => {
      const { store, put } = await setup(t);
      const sha256 = await put(randomBytes(10));
      assert.equal(await store.delete(sha256), true);
      assert.equal(await store.delete(sha256), false);
      assert.equal(await store.read({ sha256, size_bytes: 10 }, null), undefined);
    });

    test('has no blob that was set aside, until it is put again', async (t) => {
      const { store, put } = await setup(t);
      const bytes = randomBytes(30);
      const sha256 = await put(bytes);
      assert.equal(await store.setAside(sha256), true);
      assert.equal(await store.setAside(sha256), false);
      assert.equal(await store.read({ sha256, size_bytes: 30 }, null), undefined);
      assert.deepEqual(await Array.fromAsync(store.list()), []);
      assert.equal(await put(bytes), sha256);
      assert.equal(await store.size(sha256), 30);
    });

    test('lists every blob with its size', async (t) => {
      const { store, put } = await setup(t);
      const expected = new Map<string, number>();
      for (const size of [1, 20, 300]) expected.set(await put(randomBytes(size)), size);
      const listed = new Map<string, number>();
      for await (const blob of store.list()) {
        listed.set(blob.sha256, blob.size_bytes);
        assert.ok(Math.abs(Date.now() - blob.modified_at.getTime()) < 60_000);
      }
      assert.deepEqual(listed, expected);
    });

    test('answers a ping, which leaves nothing in the store', async (t) => {
      const { store, put } = await setup(t);
      const sha256 = await put(randomBytes(10));
      const pings = Array.from({ length: 3 }, () => store.ping());
      assert.deepEqual(await Promise.all(pings), [undefined, undefined, undefined]);
      const names = (await Array.fromAsync(store.list())).map((blob) => blob.sha256);
      assert.deepEqual(names, [sha256]);
    });

    test('frees a reading that is given up', async (t) => {
      const { store, put } = await setup(t);
      const sha256 = await put(randomBytes(2_000_000));
      for (let round = 0; round < 200; round++) {
        for await (const chunk of (await store.read({ sha256, size_bytes: 2_000_000 }, null))!) {
          assert.ok(chunk.length > 0);
          break;
        }
      }
      assert.equal(await store.delete(sha256), true);
    });
  });
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

async function collect(bytes: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  assert.ok(bytes, 'the blob is absent');
  return Buffer.concat(await Array.fromAsync(bytes));
}
