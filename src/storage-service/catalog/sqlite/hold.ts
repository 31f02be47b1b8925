import type { DatabaseSync } from 'node:sqlite';

/**
 * A backup holds bytes that lost their image, as it may have the image in its snapshot and the bytes not
 * copied yet. By a time and not by a mark, so that a backup that dies holds nothing for long; in the
 * catalog, because the one who removes bytes is another process.
 *
 * Nothing else needs to be held: what an image in a snapshot refers to goes no other way than by such a
 * lease. Bytes that no image ever had stay out of a backup, and are removed beside it as always: they are
 * bounded, and a long backup must not fill that room.
 */
const HELD_UNTIL = `coalesce((select value from settings where name = 'retained_until'), 0)`;

/** Leases last a day, and a backup asks for minutes: what ends later was set by a clock that was ahead. */
const LONGEST_MS = 2 * 24 * 60 * 60 * 1000;

/** In SQL: whether that time is over at the time `?1`. */
const over = (time: string) => `(${time} <= ?1 or ${time} > ?1 + ${LONGEST_MS})`;

/** In SQL, of a row of `leases`: it has ended at the time `?1`. */
export const LEASE_ENDED = `(${over('expires_at')} and (not claimed or ${over(HELD_UNTIL)}))`;

/** Never earlier than another backup asked for. Durable when it returns. */
export function holdRetained(db: DatabaseSync, until: number): void {
  db.prepare(
    `insert into settings values ('retained_until', ?)
     on conflict (name) do update set value =
       iif(value > excluded.value + ${LONGEST_MS}, excluded.value, max(value, excluded.value))`,
  ).run(until);
}

/** Ends what was held until that time, unless another backup has asked for longer since. */
export function endRetained(db: DatabaseSync, until: number): void {
  db.prepare(`delete from settings where name = 'retained_until' and value = ?`).run(until);
}
