import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { SEED_THEMES } from '../../../contract/seed-themes.ts';

/**
 * `seq` is the order of creation; created_at rises with it, except at clock_steps. Times are milliseconds since the epoch.
 *
 * Keys that rise with time keep a commit to few pages; where a key is random (a hash, an id of a
 * client's making) it stands in a narrow index and not in the row's own tree.
 *
 * The full-text tables: rowid is SEARCH_ORIGIN - seq, because FTS5 walks upwards several times
 * faster than downwards and newest first is what is asked for. Deleted images have a table of
 * their own, so that no query pays for telling them apart.
 */
export const SEARCH_ORIGIN = 2 ** 32;

const searchTable = (name: string) => `
create virtual table ${name} using fts5 (
  tokens, content = '', contentless_delete = 1, detail = none,
  prefix = '2 3 4', tokenize = "ascii tokenchars ':'"
);`;

const VERSION_1 = `
create table blobs (
  id integer primary key,
  sha256 text not null unique,
  size_bytes integer not null,
  media_type text not null,
  width integer not null,
  height integer not null,
  pages integer not null,
  placeholder text not null,
  palette text not null
);

create table images (
  seq integer primary key,
  id text not null unique,
  type text not null,
  subtype text,
  name text not null,
  name_key text not null,
  description text,
  theme text not null,
  tags text not null,
  attributes text not null,
  source_type text,
  source_id text,
  owner text,
  visibility text not null,
  blob integer not null references blobs (id),
  source_sha256 text not null,
  filename text,
  content_updated_at integer not null,
  version integer not null,
  created_at integer not null,
  updated_at integer not null,
  deleted_at integer
);
create index images_by_blob on images (blob);
create index images_by_creation on images (created_at);
create index images_by_update on images (updated_at);
create index images_by_name on images (name_key);
create index images_deleted on images (deleted_at) where deleted_at is not null;
${searchTable('search_live')}
${searchTable('search_deleted')}
create table words (word text primary key) without rowid;

create table themes (
  name text primary key,
  display_name text not null,
  description text,
  parent text,
  synonyms text not null,
  image_count integer not null default 0
) without rowid;
create trigger theme_gains after insert on images when new.deleted_at is null begin
  update themes set image_count = image_count + 1 where name = new.theme;
end;
create trigger theme_loses after delete on images when old.deleted_at is null begin
  update themes set image_count = image_count - 1 where name = old.theme;
end;
create trigger theme_changes after update of theme, deleted_at on images
when new.theme <> old.theme or (new.deleted_at is null) <> (old.deleted_at is null) begin
  update themes set image_count = image_count - (old.deleted_at is null) where name = old.theme;
  update themes set image_count = image_count + (new.deleted_at is null) where name = new.theme;
end;

create table leases (
  operation_id text primary key,
  blob integer not null references blobs (id),
  source_sha256 text not null,
  source_size_bytes integer not null,
  claimed integer not null,
  expires_at integer not null
) without rowid;
create index leases_by_blob on leases (blob);

create table removals (sha256 text primary key) without rowid;

create table operations (
  seq integer primary key,
  operation_id text not null unique,
  fingerprint text not null,
  answer text not null,
  expires_at integer not null
);

create table events (
  seq integer primary key,
  message_id text not null,
  event_type text not null,
  data text not null,
  created_at integer not null
);

create table settings (name text primary key, value any) without rowid;
`;

/** Kept, not counted: every upload asks for it. */
const VERSION_2 = `
insert into settings select 'unclaimed_bytes', coalesce(sum(source_size_bytes), 0)
  from leases where not claimed;
create trigger lease_waits after insert on leases when not new.claimed begin
  update settings set value = value + new.source_size_bytes where name = 'unclaimed_bytes';
end;
create trigger lease_ends after delete on leases when not old.claimed begin
  update settings set value = value - old.source_size_bytes where name = 'unclaimed_bytes';
end;
`;

/**
 * What made an event, and up to where events are published; to a catalog that had no hub, none of
 * them is news.
 */
const VERSION_3 = `
alter table events add column operation_id text;
insert into settings select 'published_events', coalesce(max(seq), 0) from events;
`;

/**
 * Words not yet among the others, in the order they came: each would else change a page of its own
 * in every commit. Some stand here twice.
 */
const VERSION_4 = 'create table new_words (seq integer primary key, word text not null)';

/** Images there are already are indexed anew by `Reindexing`, while the service works. */
const VERSION_5 = `
insert into settings
  select 'reindex_end', max(seq) from images having max(seq) is not null;
`;

/** Images that were created after the clock had been set back: created_at falls there. */
const VERSION_6 = 'create table clock_steps (seq integer primary key)';

/** Deleting a theme again is a success for a time. */
const VERSION_7 =
  'create table deleted_themes (name text primary key, deleted_at integer not null) without rowid';

/** Each brings a catalog from its index to the next version; none is ever changed or removed. */
const MIGRATIONS: readonly ((db: DatabaseSync) => void)[] = [
  (db) => {
    db.exec(VERSION_1);
    const setting = db.prepare('insert into settings values (?, ?)');
    setting.run('cursor_key', randomBytes(32));
    setting.run('vocabulary_version', 1);
    const theme = db.prepare(
      'insert into themes (name, display_name, parent, synonyms) values (?, ?, ?, ?)',
    );
    for (const { name, display_name, parent, synonyms } of SEED_THEMES) {
      theme.run(name, display_name, parent, JSON.stringify(synonyms));
    }
  },
  (db) => db.exec(VERSION_2),
  (db) => db.exec(VERSION_3),
  (db) => db.exec(VERSION_4),
  (db) => db.exec(VERSION_5),
  (db) => db.exec(VERSION_6),
  (db) => db.exec(VERSION_7),
];

/** The version of a catalog's schema; throws when it is newer than this release. */
export function knownSchema(db: DatabaseSync): number {
  const { user_version: found } = db.prepare('pragma user_version').get() as {
    user_version: number;
  };
  if (found === 0 && db.prepare('select 1 from sqlite_schema').get()) {
    throw new Error('It is a database of another program');
  }
  if (found <= MIGRATIONS.length) return found;
  throw new Error(
    `The catalog has schema version ${found}; this release knows up to ${MIGRATIONS.length}. Run the newer release, or restore an older backup.`,
  );
}

/** For those that only look: a service of an older release may be using the catalog. */
export function requireCurrentSchema(db: DatabaseSync): void {
  const found = knownSchema(db);
  if (found === MIGRATIONS.length) return;
  throw new Error(
    `The catalog has schema version ${found}, and this release ${MIGRATIONS.length}. Start the service of this release, which brings it up, or use the release that it belongs to.`,
  );
}

/** Brings the catalog up to a schema version, each step wholly or not at all; refuses a newer one. */
export function migrate(db: DatabaseSync, version = MIGRATIONS.length): void {
  const found = knownSchema(db);
  for (const [index, migration] of MIGRATIONS.entries()) {
    if (index < found || index >= version) continue;
    db.exec('begin immediate');
    try {
      migration(db);
      db.exec(`pragma user_version = ${index + 1}`);
      db.exec('commit');
    } catch (error) {
      if (db.isTransaction) db.exec('rollback');
      throw error;
    }
  }
}
