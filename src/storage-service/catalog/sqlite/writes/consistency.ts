import type { DatabaseSync } from 'node:sqlite';
import { isCatalogDamaged } from '../../../disk-fault.ts';
import { catalogFault } from '../connection.ts';
import { IMAGE_COLUMNS, nameKey, type Row, toImage } from '../rows.ts';
import { endReindexing } from '../search/reindexing.ts';
import type { SearchIndex } from '../search/search-index.ts';
import { ANY } from '../search/tokens.ts';
import { Statements } from '../statements.ts';

/** Images whose full-text rows are made anew in one go. */
const REBUILD_BATCH_IMAGES = 1_000;

/** Theme counts as they are kept and as the images have them. */
const THEME_COUNTS = `
  select name, image_count as kept, coalesce(live, 0) as counted from themes
  left join (select theme, count(*) as live from images where deleted_at is null group by theme)
    on theme = name`;

const UNCLAIMED_BYTES =
  'select coalesce(sum(source_size_bytes), 0) as number from leases where not claimed';

/** What is wrong within the catalog, a sentence each. Reads all of it, but for what is damaged. */
export function faultsOf(db: DatabaseSync): string[] {
  const faults: string[] = [];
  for (const [what, look] of Object.entries(LOOKS)) {
    try {
      faults.push(...look(db));
    } catch (error) {
      if (!isCatalogDamaged(catalogFault(error))) throw error;
      faults.push(`${what} cannot be read: ${(error as Error).message}`);
    }
  }
  return faults;
}

const LOOKS: Record<string, (db: DatabaseSync) => string[]> = {
  'the file': (db) => {
    const results = db.prepare('pragma quick_check(10)').all();
    return results.map((row) => String(row.quick_check)).filter((result) => result !== 'ok');
  },
  'the search index': (db) => searchFaults(db, 'search_live', 'is null'),
  'the search index of deleted images': (db) => searchFaults(db, 'search_deleted', 'is not null'),
  'the list of themes': (db) => {
    const wrong = db.prepare(`${THEME_COUNTS} where kept <> counted`).all();
    return wrong.map(
      ({ name, kept, counted }) => `theme ${name} says ${kept} images and has ${counted}`,
    );
  },
  'the list of leases': (db) => {
    const kept = number(db, `select value as number from settings where name = 'unclaimed_bytes'`);
    const leased = number(db, UNCLAIMED_BYTES);
    return kept === leased ? [] : [`unclaimed_bytes says ${kept} and leases say ${leased}`];
  },
  'the list of images': (db) => {
    const lost = number(
      db,
      'select count(*) as number from images where blob not in (select id from blobs)',
    );
    return lost === 0 ? [] : [`${lost} images have no row for their bytes`];
  },
};

function searchFaults(db: DatabaseSync, table: string, deleted: string): string[] {
  const found = `select count(*) as number from ${table} where ${table} match '"${ANY}"'`;
  const rows = number(db, found);
  const images = number(db, `select count(*) as number from images where deleted_at ${deleted}`);
  return rows === images ? [] : [`${table} holds ${rows} rows for ${images} images`];
}

function number(db: DatabaseSync, sql: string): number {
  return Number(db.prepare(sql).get()?.number);
}

/** Within a transaction of the caller. Known words stay: a running service remembers them. */
export function rebuild(db: DatabaseSync, index: SearchIndex): void {
  db.exec(`insert into search_live (search_live) values ('delete-all');
    insert into search_deleted (search_deleted) values ('delete-all');
    update settings set value = (${UNCLAIMED_BYTES}) where name = 'unclaimed_bytes';
    update themes set image_count = counts.counted
      from (${THEME_COUNTS}) as counts where counts.name = themes.name;`);
  endReindexing(new Statements(db));
  index.undone();
  const page = db.prepare(`select ${IMAGE_COLUMNS} from images i join blobs b on b.id = i.blob
    where i.seq > ? order by i.seq limit ${REBUILD_BATCH_IMAGES}`);
  const setKey = db.prepare('update images set name_key = ?1 where seq = ?2 and name_key <> ?1');
  let last = 0;
  for (let rows = page.all(last) as Row[]; rows.length > 0; rows = page.all(last) as Row[]) {
    for (const row of rows) {
      const [seq, image] = [row.seq as number, toImage(row)];
      index.add(index.prepare(seq, image, undefined));
      setKey.run(nameKey(image.name), seq);
    }
    index.write();
    last = rows.at(-1)!.seq as number;
  }
}
