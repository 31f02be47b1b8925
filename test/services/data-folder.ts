import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { partsOf } from '../../src/storage-service/data-folder.ts';

/** What a data folder holds, seen past the service that may be using it. */
export async function contentsOf(dataDir: string) {
  const folder = partsOf(dataDir);
  const blobs = await readdir(folder.blobs, { recursive: true });
  const db = new DatabaseSync(folder.catalog, { readOnly: true, timeout: 5_000 });
  try {
    const column = (sql: string) => {
      const rows = db.prepare(sql).all();
      return rows.map(({ value }) => String(value));
    };
    return {
      incoming: await readdir(folder.incoming),
      /** Names of the files; damaged ones that were set aside are none. */
      blobs: blobs.flatMap((path) => /^[0-9a-f]{2}\/(.+)$/.exec(path)?.[1] ?? []).sort(),
      /** Of the blobs that an image or a lease refers to. */
      kept: column(
        `select sha256 as value from blobs where id in (select blob from images)
         or id in (select blob from leases) order by sha256`,
      ),
      rows: column('select sha256 as value from blobs order by sha256'),
      removals: column('select sha256 as value from removals'),
      images: column('select id as value from images'),
      leases: column('select operation_id as value from leases'),
    };
  } finally {
    db.close();
  }
}

/** Asserts that there is a file for every blob that is kept, and no other file or row. */
export async function assertNothingLeftOver(dataDir: string): Promise<void> {
  const { incoming, blobs, kept, rows, removals } = await contentsOf(dataDir);
  assert.deepEqual(
    { incoming, blobs, rows, removals },
    { incoming: [], blobs: kept, rows: kept, removals: [] },
  );
}

/** Asserts that nothing ever came in, or all of it is gone. */
export async function assertEmpty(dataDir: string): Promise<void> {
  const { incoming, blobs, images, leases } = await contentsOf(dataDir);
  assert.deepEqual(
    { incoming, blobs, images, leases },
    { incoming: [], blobs: [], images: [], leases: [] },
  );
}

/** Waits for what happens after the answer; fails with the last failure when it does not. */
export async function eventually(check: () => Promise<void> | void, maxMs = 10_000): Promise<void> {
  const end = Date.now() + maxMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(10);
    }
  }
}
