import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import { Reader } from '../../../src/storage-service/catalog/sqlite/reader.ts';
import { seeded } from '../../faults/seeded.ts';
import { blobOf, leaseOf } from '../../suites/catalog/drive.ts';
import { catalogInThread, START } from './catalog-in-thread.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 60 * 60 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
const YEARS_MS = 10 * 365 * DAY_MS;

test('times follow a clock that was ahead and is set right, and the order of creation stays', (t) => {
  const { behind, create, remove, list, pages, restart, clock, upkeep } = catalogInThread(t);
  create({ name: 'early' });
  clock(START + YEARS_MS);
  create({ name: 'ahead' });
  clock(START + HOUR_MS);
  restart();
  const right = create({ name: 'right' });
  const time = new Date(START + HOUR_MS).toISOString();
  assert.deepEqual(
    [right.created_at, right.updated_at, right.content.updated_at],
    [time, time, time],
  );
  clock(START + 2 * HOUR_MS);
  create({ name: 'later' });
  assert.deepEqual(behind, [YEARS_MS - HOUR_MS], 'told once');
  restart();
  create({ name: 'last' });
  assert.equal(behind.length, 1, 'told once, whatever starts again');
  for (const limit of [1, 2, 200]) {
    assert.deepEqual(pages({}, limit), ['last', 'later', 'right', 'ahead', 'early']);
    assert.deepEqual(pages({ sort: 'created_at' }, limit), [
      'early',
      'ahead',
      'right',
      'later',
      'last',
    ]);
  }
  const now = new Date(START + 3 * HOUR_MS).toISOString();
  assert.deepEqual(pages({ created_before: now }, 1), ['last', 'later', 'right', 'early']);
  assert.deepEqual(pages({ created_after: now }, 1), ['ahead']);
  remove(right.id);
  assert.equal(
    list({ deleted: true }).items[0]?.deleted_at,
    new Date(START + 2 * HOUR_MS).toISOString(),
  );
  assert.equal(
    upkeep((calls) => calls.purge(START + 3 * HOUR_MS, 10)),
    1,
  );
});

test('a clock that is behind by less than a second gives no earlier time than before', (t) => {
  const { db, behind, create, clock } = catalogInThread(t);
  const first = create();
  clock(START - SECOND_MS);
  assert.equal(create().created_at, first.created_at);
  clock(START - SECOND_MS - 1);
  assert.ok(create().created_at < first.created_at);
  assert.equal(behind.length, 1);
  assert.equal(db.prepare('select count(*) as n from clock_steps').get()?.n, 1);
});

test('an image whose transaction is undone hides no step of the clock', (t) => {
  const { create, pages, clock } = catalogInThread(t);
  clock(START + DAY_MS);
  create({ name: 'ahead' });
  clock(START);
  create({ name: 'undone' }, 'undo');
  clock(START + HOUR_MS);
  create({ name: 'right' });
  const noon = new Date(START + 12 * HOUR_MS).toISOString();
  assert.deepEqual(pages({ created_before: noon }, 10), ['right']);
  assert.deepEqual(pages({ created_after: noon }, 10), ['ahead']);
});

for (const jumps of [6, 70]) {
  test(`lists by time are right in every order after a clock that jumped ${jumps} times`, (t) => {
    const { create, pages, restart, clock } = catalogInThread(t);
    const chance = seeded(jumps);
    const images: Image[] = [];
    for (let jump = 0; jump < jumps; jump++) {
      const base = START + chance.below(40) * DAY_MS;
      for (let i = 0; i < 3; i++) {
        clock(base + i * chance.below(3 * SECOND_MS));
        images.push(create({ name: `n${images.length}` }));
      }
      if (chance.oneIn(5)) restart();
    }
    for (let round = 0; round < 5; round++) {
      const edge = () => chance.of(images).created_at;
      const [created_after, created_before] = [edge(), edge()].sort() as [string, string];
      for (const filter of [
        { created_after },
        { created_before },
        { created_after, created_before },
      ]) {
        const wanted = images.filter(
          ({ created_at }) =>
            !(filter.created_after && created_at <= filter.created_after) &&
            !(filter.created_before && created_at >= filter.created_before),
        );
        const names = wanted.map(({ name }) => name);
        assert.deepEqual(pages({ ...filter, sort: 'created_at' }, 7), names);
        assert.deepEqual(pages(filter, 200), names.toReversed());
        assert.deepEqual(pages({ ...filter, sort: 'name' }, 50), names.toSorted());
        assert.equal(pages({ ...filter, sort: '-updated_at' }, 50).length, names.length);
      }
    }
  });
}

test('what a clock that was ahead left behind holds up no cleaning', (t) => {
  const { db, create, remove, clock, upkeep } = catalogInThread(t);
  clock(START + YEARS_MS);
  for (let i = 0; i < 5; i++) remove(create().id);
  upkeep((calls) => {
    const blob = blobOf('unclaimed', {});
    calls.addLease(leaseOf(randomUUID(), blob.sha256), blob, Number.MAX_SAFE_INTEGER);
  });
  clock(START);
  for (let i = 0; i < 5; i++) create();
  const reader = new Reader(db);
  assert.ok(reader.blobsToRelease(START, 10).length > 0, 'its unclaimed bytes stay');
  const count = (table: string) =>
    Number(
      db
        .prepare(`select count(*) as n from ${table} where ${AGE[table]} < ?`)
        .get(START + 3 * DAY_MS)?.n,
    );
  const published = Number(db.prepare('select max(seq) as n from events').get()?.n);
  upkeep((calls) => calls.eventsPublished(published));
  create();
  assert.deepEqual([count('operations'), count('events')], [6, 6]);
  for (let i = 0; i < 10; i++) upkeep((calls) => calls.forget(START + 2 * DAY_MS, 2));
  assert.deepEqual([count('operations'), count('events')], [0, 1], 'all but the newest event');
});

const AGE: Record<string, string> = { operations: 'expires_at', events: 'created_at' };
