import type { DatabaseSync } from 'node:sqlite';
import { IMAGE_COLUMNS, nameKey, type Row, toImage } from '../rows.ts';
import { endReindexing } from '../search/reindexing.ts';
import type { SearchIndex } from '../search/search-index.ts';
import { ANY } from '../search/tokens.ts';
import { Statements } from '../statements.ts';

/** Images whose full-text rows are made anew in one go. */
const REBUILD_BATCH_IMAGES = 1_000;

/** Theme counts as they are kept and as the images have them. */
const THEME_COUNTS = `
  select name, image_count as kept, coalesce(counted, 0) as counted from themes
  left join (select theme, count(*) as counted from images where deleted_at is null group by theme)
    on theme = name`;

const UNCLAIMED_BYTES =
  'select coalesce(sum(source_size_bytes), 0) as number from leases where not claimed';

/** What is wrong within the catalog, a sentence each. Reads all of it. */
export function faultsOf(db: DatabaseSync): string[] {
  const faults = db
    .prepare('pragma quick_check(10)')
    .all()
    .map((row) => String(row.quick_check))
    .filter((result) => result !== 'ok');
  const number = (sql: string) => Number(db.prepare(sql).get()?.number);
  for (const [table, condition] of [
    ['search_live', 'is null'],
    ['search_deleted', 'is not null'],
  ]) {
    const rows = number(`select count(*) as number from ${table} where ${table} match '"${ANY}"'`);
    const images = number(`select count(*) as number from images where deleted_at ${condition}`);
    if (rows !== images) faults.push(`${table} holds ${rows} rows for ${images} images`);
  }
  for (const { name, kept, counted } of db.prepare(`${THEME_COUNTS} where kept <> counted`).all()) {
    faults.push(`theme ${name} says ${kept} images and has ${counted}`);
  }
  const kept = number(`select value as number from settings where name = 'unclaimed_bytes'`);
  const leased = number(UNCLAIMED_BYTES);
  if (kept !== leased) faults.push(`unclaimed_bytes says ${kept} and leases say ${leased}`);
  const lost = number(
    'select count(*) as number from images where blob not in (select id from blobs)',
  );
  if (lost > 0) faults.push(`${lost} images have no row for their bytes`);
  return faults;
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
