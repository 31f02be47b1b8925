import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Image } from '../../../src/contract/image.ts';
import type { ImageEvent } from '../../../src/contract/storage.ts';
import type { Catalog, Command, Written } from '../../../src/storage-service/catalog/catalog.ts';
import { call, drive, fieldsOf, hashOf, LEASED_BYTES } from './drive.ts';

/** Commands, each executed once. */
export function catalogWrites(opened: () => Catalog): void {
  const { write, lease, create, names, pages } = drive(opened);
  test('an image that was created is found with all it was given', async () => {
    const image = await create({
      name: 'Ælfgar',
      subtype: 'bust',
      description: 'A king.\nOld.',
      tags: ['elf', 'king of old'],
      attributes: { level: 3, traits: ['wise', null, true], note: 'x' },
      source_type: 'character',
      source_id: 'c-1',
      visibility: 'private',
    });
    const found = await opened().findImage(image.id, call());
    assert.deepEqual(found, image);
    assert.equal(found?.version, 1);
    assert.equal(found?.content.filename, 'a.png');
    assert.match(found!.content.url, new RegExp(`^/api/v2/images/${image.id}/content\\?v=`));
  });

  test('a create whose bytes were never leased changes nothing, and may be repeated', async () => {
    const operation_id = randomUUID();
    const sha256 = hashOf('never');
    const command: Command = {
      operation: 'create_image',
      fields: fieldsOf({ name: 'unleased' }),
      content: { sha256, size_bytes: LEASED_BYTES, filename: null },
    };
    await assert.rejects(write(command, operation_id), { code: 'content_missing' });
    await lease(operation_id, 'never');
    const { replayed } = await write(command, operation_id);
    assert.equal(replayed, false);
  });

  test('the same operation again has no further effect and the same answer', async () => {
    const operation_id = randomUUID();
    const { sha256 } = await lease(operation_id);
    const fields = fieldsOf({ name: 'once', tags: ['repeated'] });
    const content = { sha256, size_bytes: LEASED_BYTES, filename: null };
    const command: Command = { operation: 'create_image', fields, content };
    const first = await write(command, operation_id);
    const second = await write(command, operation_id);
    assert.deepEqual(second.answer, first.answer);
    assert.deepEqual([first.replayed, second.replayed], [false, true]);
    assert.ok(first.event);
    assert.equal(second.event, undefined);
    assert.deepEqual(await names({ tag: ['repeated'] }), ['once']);
  });

  test('two of the same operation at once are one', async () => {
    const operation_id = randomUUID();
    const { sha256 } = await lease(operation_id);
    const fields = fieldsOf({ name: 'raced', tags: ['raced'] });
    const content = { sha256, size_bytes: LEASED_BYTES, filename: null };
    const command: Command = { operation: 'create_image', fields, content };
    const outcomes = await Promise.all([
      write(command, operation_id),
      write(command, operation_id),
    ]);
    assert.deepEqual(outcomes.map(({ replayed }) => replayed).sort(), [false, true]);
    assert.deepEqual(await names({ tag: ['raced'] }), ['raced']);
  });

  test('an operation id with another payload is refused', async () => {
    const operation_id = randomUUID();
    const { id } = await create();
    const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
    await write(command, operation_id, 'one');
    await assert.rejects(write(command, operation_id, 'other'), { code: 'operation_id_reused' });
  });

  test('a refusal is kept like an answer', async () => {
    const operation_id = randomUUID();
    const { id } = await create({ name: 'refused' });
    const command: Command = { operation: 'delete_image', image_id: id, if_version: 9 };
    await assert.rejects(write(command, operation_id), { code: 'precondition_failed' });
    const repeated = write(command, operation_id);
    await assert.rejects(repeated, { code: 'precondition_failed', replayed: true });
  });

  test('a command past its deadline is not executed', async () => {
    const { id } = await create();
    const command: Command = { operation: 'delete_image', image_id: id, if_version: null };
    const late = { operation_id: randomUUID(), fingerprint: 'f', deadline: Date.now() - 1 };
    await assert.rejects(opened().write(command, late));
    assert.equal((await opened().findImage(id, call()))?.deleted_at, null);
  });

  test('of two changes of one version, one wins and the other is told', async () => {
    const { id } = await create();
    const change = (name: string): Command => ({
      operation: 'update_image',
      image_id: id,
      patch: { name },
      whole: false,
      if_version: 1,
    });
    const results = await Promise.allSettled([write(change('one')), write(change('two'))]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.equal((await opened().findImage(id, call()))?.version, 2);
  });

  test('a patch merges attributes by key, replaces tags, and clears by null', async () => {
    const { id } = await create({
      description: 'old',
      tags: ['a', 'b'],
      attributes: { keep: 1, drop: 2, change: 3 },
    });
    const patch = {
      description: null,
      tags: ['c'],
      attributes: { drop: null, change: [4], add: 'x' },
    };
    const command: Command = {
      operation: 'update_image',
      image_id: id,
      patch,
      whole: false,
      if_version: null,
    };
    const { answer, event } = await write(command);
    const image = answer as Image;
    assert.equal(image.description, null);
    assert.deepEqual(image.tags, ['c']);
    assert.deepEqual(image.attributes, { keep: 1, change: [4], add: 'x' });
    const { changed } = event!.data as ImageEvent['data'];
    assert.deepEqual(changed.sort(), ['attributes', 'description', 'tags']);
  });

  test('lists and searches follow a change at once', async () => {
    const { id } = await create({ name: 'before it', tags: ['follow-old'] });
    const patch = { name: 'afterwards', tags: ['follow-new'] };
    await write({
      operation: 'update_image',
      image_id: id,
      patch,
      whole: false,
      if_version: null,
    });
    assert.deepEqual(await names({ tag: ['follow-old'] }), []);
    assert.deepEqual(await names({ tag: ['follow-new'] }), ['afterwards']);
    assert.deepEqual(await names({ q: 'afterwards' }), ['afterwards']);
  });

  test('a deleted image is listed among the deleted alone, until it is restored', async () => {
    const { id } = await create({ name: 'gone', tags: ['gone'] });
    const remove: Command = { operation: 'delete_image', image_id: id, if_version: null };
    await write(remove);
    assert.deepEqual(await names({ tag: ['gone'] }), []);
    assert.deepEqual(await names({ tag: ['gone'], deleted: true }), ['gone']);
    assert.deepEqual(await names({ tag: ['gone'], deleted: true, sort: 'name' }), ['gone']);
    const again = await write(remove);
    assert.equal(again.event, undefined);
    const restore: Command = { operation: 'restore_image', image_id: id, if_version: null };
    assert.equal(((await write(restore)).answer as Image).version, 3);
    assert.deepEqual(await names({ tag: ['gone'] }), ['gone']);
    assert.deepEqual(await names({ tag: ['gone'], deleted: true }), []);
  });

  test('new content takes its place in filters, and the old bytes stay for a while', async () => {
    const old = await create({ tags: ['replaced'] }, { width: 100, height: 100 });
    const operation_id = randomUUID();
    const blob = await lease(operation_id, randomUUID(), { width: 900, height: 50 });
    const { answer } = await write(
      {
        operation: 'replace_content',
        image_id: old.id,
        if_sha256: old.content.sha256,
        content: { sha256: blob.sha256, size_bytes: LEASED_BYTES, filename: 'b.png' },
      },
      operation_id,
    );
    assert.equal((answer as Image).content.sha256, blob.sha256);
    assert.equal((await names({ tag: ['replaced'], min_width: 900 })).length, 1);
    assert.equal((await names({ tag: ['replaced'], min_height: 51 })).length, 0);
    assert.equal(await opened().forgetBlob(old.content.sha256, Date.now()), false);
  });

  test('many writes at once all take effect', async () => {
    const created = await Promise.all(
      Array.from({ length: 100 }, (_, index) => create({ name: `bulk ${index}`, tags: ['bulk'] })),
    );
    assert.equal(new Set(created.map(({ id }) => id)).size, 100);
    assert.equal((await pages({ tag: ['bulk'] }, 30)).length, 100);
  });

  test('one that breaks half-way leaves nothing behind and costs those beside it nothing', async () => {
    const tag = 'beside a broken one';
    // No fingerprint is one of these, and it is written after the image.
    const broken = {} as unknown as string;
    const creates = Array.from({ length: 20 }, async (_, index) => {
      const operation_id = randomUUID();
      const { sha256 } = await lease(operation_id);
      const fields = fieldsOf({ name: `n${index}`, tags: [tag] });
      const command: Command = {
        operation: 'create_image',
        fields,
        content: { sha256, size_bytes: LEASED_BYTES, filename: null },
      };
      return { command, operation_id, fingerprint: index === 7 ? broken : 'f' };
    });
    const ready = await Promise.all(creates);
    const outcomes = await Promise.allSettled(
      ready.map(({ command, operation_id, fingerprint }) =>
        write(command, operation_id, fingerprint),
      ),
    );
    const refused = outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []));
    assert.deepEqual(refused, [7]);
    assert.equal((await names({ tag: [tag], limit: 100 })).length, 19);
    assert.deepEqual(await opened().check(), []);
  });

  test('events name the change', async () => {
    const operation_id = randomUUID();
    const { sha256 } = await lease(operation_id);
    const fields = fieldsOf({ theme: 'noir_detective' });
    const content = { sha256, size_bytes: LEASED_BYTES, filename: null };
    const { event, answer }: Written = await write(
      { operation: 'create_image', fields, content },
      operation_id,
    );
    const { id } = answer as Image;
    const data = { image_id: id, version: 1, theme: 'noir_detective', type: 'portrait', sha256 };
    assert.equal(event?.event_type, 'image.created');
    assert.deepEqual(event?.data, { ...data, changed: [] });
    const described = await write({ operation: 'put_theme', name: 'noir_detective', fields: {} });
    assert.equal(described.event?.event_type, 'theme.changed');
    assert.deepEqual(described.event?.data, { name: 'noir_detective' });
  });

  test('a call ends at its deadline', async () => {
    const over = { ...call(), deadline: Date.now() - 1 };
    await assert.rejects(opened().listImages({}, over), { code: 'deadline_exceeded' });
    await sleep(0);
    assert.equal(await opened().ping(call()), undefined);
  });
}
