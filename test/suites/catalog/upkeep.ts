import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Blob, Catalog, Command } from '../../../src/storage-service/catalog/catalog.ts';
import { blobOf, call, drive, fieldsOf, LEASED_BYTES, leaseOf } from './drive.ts';

/** What keeps blobs, and what becomes of what is kept no longer. */
export function catalogUpkeep(opened: () => Catalog): void {
  const { write, lease, create, names } = drive(opened);

  test('a blob is forgotten when neither an image nor a lease keeps it', async () => {
    const operation_id = randomUUID();
    const blob = await lease(operation_id);
    const now = Date.now();
    assert.equal(await opened().forgetBlob(blob.sha256, now), false);
    assert.deepEqual(await opened().expireLease(operation_id), [blob.sha256]);
    assert.equal(await opened().forgetBlob(blob.sha256, now), true);
    assert.equal(await opened().findBlob(blob.sha256), undefined);
    const image = await create();
    assert.equal(await opened().forgetBlob(image.content.sha256, now), false);
  });

  test('an operation cannot lease two different contents', async () => {
    const operation_id = randomUUID();
    await lease(operation_id, 'first bytes');
    await lease(operation_id, 'first bytes');
    await assert.rejects(lease(operation_id, 'other bytes'), { code: 'operation_id_reused' });
  });

  test('bytes that came with a refused or repeated request are released', async () => {
    const operation_id = randomUUID();
    const { sha256 } = await lease(operation_id, 'refused');
    const released = async () =>
      (await opened().blobsToRelease(Date.now(), 1_000)).includes(sha256);
    const command: Command = {
      operation: 'replace_content',
      image_id: randomUUID(),
      if_sha256: null,
      content: { sha256, size_bytes: LEASED_BYTES, filename: null },
    };
    await assert.rejects(write(command, operation_id), { code: 'image_not_found' });
    assert.equal(await released(), true);
    await lease(operation_id, 'refused');
    assert.equal(await released(), false);
    await assert.rejects(write(command, operation_id), { replayed: true });
    assert.equal(await released(), true);
  });

  test('bytes leased and never claimed are bounded', async () => {
    const operation_id = randomUUID();
    const blob = blobOf('huge', {});
    const huge = { ...leaseOf(operation_id, blob.sha256), source_size_bytes: 2 ** 31 };
    const refused = opened().addLease(huge, blob, Date.now() + 10_000);
    await assert.rejects(refused, { code: 'storage_full' });
  });

  test('bytes leased count until their image claims them or their blob is released', async () => {
    const [claimed, released, last] = ['claimed', 'released', 'last'].map((name) =>
      blobOf(name, {}),
    ) as [Blob, Blob, Blob];
    const deadline = Date.now() + 10_000;
    const size_bytes = 400 * 2 ** 20;
    const add = (blob: Blob, expires_at = deadline) => {
      const lease = { ...leaseOf(randomUUID(), blob.sha256), source_size_bytes: size_bytes };
      return opened()
        .addLease({ ...lease, expires_at }, blob, deadline)
        .then(() => lease.operation_id);
    };
    const operation_id = await add(claimed);
    await add(released, Date.now() - 1);
    await assert.rejects(add(last), { code: 'storage_full' });
    await opened().forgetBlob(released.sha256, Date.now());
    await add(last);
    await assert.rejects(add(released), { code: 'storage_full' });
    const content = { sha256: claimed.sha256, size_bytes, filename: null };
    await write({ operation: 'create_image', fields: fieldsOf({}), content }, operation_id);
    await add(released);
    await opened().expireUploadLeases();
    for (const { sha256 } of [released, last]) await opened().forgetBlob(sha256, Date.now());
  });

  test('a blob is to be released from the end of its lease until its bytes are gone', async () => {
    const blob = blobOf('expired', {});
    const now = Date.now();
    const expired = { ...leaseOf(randomUUID(), blob.sha256), expires_at: now - 1 };
    await opened().addLease(expired, blob, now + 10_000);
    const toRelease = async () => (await opened().blobsToRelease(now, 100)).includes(blob.sha256);
    assert.equal(await toRelease(), true);
    assert.equal(await opened().forgetBlob(blob.sha256, now), true);
    assert.equal(await toRelease(), true);
    await opened().blobDeleted(blob.sha256);
    assert.equal(await toRelease(), false);
  });

  test('uploads that nobody will claim can be given up together', async () => {
    const blob = await lease(randomUUID());
    const now = Date.now();
    assert.equal((await opened().blobsToRelease(now, 100)).includes(blob.sha256), false);
    await opened().expireUploadLeases();
    assert.equal((await opened().blobsToRelease(now, 100)).includes(blob.sha256), true);
  });

  test('an answer is forgotten after a day, and then the operation is executed anew', async () => {
    const operation_id = randomUUID();
    const { id } = await create();
    const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
    await write(command, operation_id);
    await opened().forget(Date.now() + 25 * 60 * 60 * 1000, 100_000);
    assert.equal((await write(command, operation_id)).replayed, false);
  });

  test('purging removes what was deleted before, for good, and keeps its bytes a while', async () => {
    const kept = await create({ name: 'kept', tags: ['purge'] });
    const { id, content } = await create({ name: 'purged', tags: ['purge'] });
    await write({ operation: 'delete_image', image_id: id, if_version: null });
    await opened().purge(Date.now() - 60_000, 100);
    assert.ok(await opened().findImage(id, call()), 'purged too early');
    await opened().purge(Date.now() + 1, 100);
    assert.equal(await opened().findImage(id, call()), undefined);
    assert.deepEqual(await names({ tag: ['purge'], deleted: true }), []);
    assert.equal(await opened().forgetBlob(content.sha256, Date.now()), false);
    const restore: Command = { operation: 'restore_image', image_id: id, if_version: null };
    await assert.rejects(write(restore), { code: 'image_not_found' });
    assert.deepEqual(await names({ tag: ['purge'] }), [kept.name]);
  });

  test('checks find nothing wrong after all this, and rebuilding changes nothing', async () => {
    assert.deepEqual(await opened().check(), []);
    const before = await names({ q: 'drag', limit: 200 });
    await opened().rebuild();
    assert.deepEqual(await opened().check(), []);
    assert.deepEqual(await names({ q: 'drag', limit: 200 }), before);
  });

  test('tidying ends, and changes no answer', async () => {
    const before = await names({ limit: 200 });
    while (await opened().tidy());
    assert.deepEqual(await names({ limit: 200 }), before);
  });
}
