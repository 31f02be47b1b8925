import { randomFillSync, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { v7 as uuidv7 } from 'uuid';
import {
  type ErrorCode,
  type ErrorData,
  invalid,
  ServiceError,
} from '../../../../contract/errors.ts';
import type { Image } from '../../../../contract/image.ts';
import { ANSWER_KEPT_MS } from '../../../../contract/limits.ts';
import type { ImageEvent, StorageEvent, ThemeEvent } from '../../../../contract/storage.ts';
import type {
  Claim,
  Command,
  ImageCommand,
  Operation,
  ThemeCommand,
  Written,
} from '../../catalog.ts';
import {
  type Change,
  contentReplaced,
  created,
  deleted,
  type KeptContent,
  restored,
  updated,
} from '../../change.ts';
import { BLOB_COLUMNS, IMAGE_COLUMNS, imageRow, json, type Row, toBlob, toImage } from '../rows.ts';
import type { Indexing, SearchIndex } from '../search/search-index.ts';
import { Statements } from '../statements.ts';
import { RowClock } from './row-clock.ts';
import { Themes } from './themes.ts';

/** Replaced and purged bytes stay a day, so that readers with older metadata find them. */
const RETAINED_MS = 24 * 60 * 60 * 1000;

/** Refusals that are as final as success: a repetition gets the same one. */
const KEPT_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'image_not_found',
  'image_exists',
  'precondition_failed',
  'theme_not_found',
  'theme_cycle',
  'theme_in_use',
  'too_many_themes',
  'invalid_request',
]);

type Answer = { value: unknown } | { error: ErrorData };

/**
 * Commands, executed one after the other within a transaction of the caller, who writes the index
 * before the commit. One writer has the catalog, so what it read last it may remember.
 */
export class Writer {
  readonly #statements: Statements;
  readonly #index: SearchIndex;
  readonly #themes: Themes;
  /** The full-text row of the command that runs. */
  #indexing: Indexing | null = null;
  readonly #clock: RowClock;

  constructor(db: DatabaseSync, index: SearchIndex, clockWentBack = (_byMs: number) => {}) {
    this.#statements = new Statements(db);
    this.#index = index;
    this.#themes = new Themes(db, this.#statements, index);
    this.#clock = new RowClock(this.#statements, clockWentBack);
  }

  /** Forgets what a transaction that was undone had put there. */
  undone(): void {
    this.#themes.undone();
    this.#clock.undone();
  }

  /** The outcome, good or refused, is kept for the operation. Throws what must not be kept. */
  execute(command: Command, operation: Operation): Written | ServiceError {
    const { operation_id, fingerprint } = operation;
    const sql = 'select fingerprint, answer from operations where operation_id = ?';
    const known = this.#statements.get(sql, operation_id);
    if (known) {
      this.#giveUpLease(operation_id);
      if (known.fingerprint !== fingerprint) return operationIdReused();
      return repeated(json<Answer>(known.answer));
    }
    if (Date.now() > operation.deadline) {
      const message = 'The deadline passed before the change was made; nothing changed.';
      throw new ServiceError('deadline_exceeded', message);
    }
    const lease = 'content' in command ? this.#lease(operation_id) : undefined;
    // Not kept: the bytes are there, and the same operation may claim them rightly.
    if (lease && 'content' in command) requireSize(command.content, lease);
    this.#indexing = null;
    try {
      const written = this.#carryOut(command, operation_id, lease);
      this.#keep(operation, { value: written.answer });
      if (this.#indexing) this.#index.add(this.#indexing);
      return written;
    } catch (error) {
      if (!(error instanceof ServiceError) || !KEPT_REFUSALS.has(error.code)) throw error;
      this.#giveUpLease(operation_id);
      this.#keep(operation, { error: error.toData() });
      return error;
    }
  }

  #carryOut(command: Command, operationId: string, lease: Row | undefined): Written {
    const now = new Date(this.#clock.now());
    if (!isOfImage(command)) return this.#changeTheme(command, now.getTime(), operationId);
    const row = 'image_id' in command ? this.#imageRow(command.image_id) : undefined;
    const current = row && toImage(row);
    const change = this.#decide(command, current, lease, now);
    if (change) {
      this.#themes.require(change.image.theme);
      const blob = (lease ?? row)?.blob as number;
      const seq = row ? (row.seq as number) : this.#insertRow(change.image, blob);
      if (row) this.#updateRow(seq, change.image, blob);
      else this.#clock.created(seq, now.getTime());
      this.#indexing = this.#index.prepare(seq, change.image, current);
      if (row && row.blob !== blob) this.retain(row.blob as number, now.getTime());
      if ('content' in command)
        this.#statements.run('delete from leases where operation_id = ?', operationId);
    }
    const answer = command.operation === 'delete_image' ? {} : (change?.image ?? current);
    if (!change) return { answer, replayed: false };
    const event = imageChanged(change);
    this.#recordEvent(event, now.getTime(), operationId);
    return { answer, replayed: false, event };
  }

  #changeTheme(command: ThemeCommand, now: number, operationId: string): Written {
    const { name } = command;
    let answer: unknown = {};
    if (command.operation === 'put_theme') answer = this.#themes.put(name, command.fields);
    else if (!this.#themes.delete(name, now)) return { answer, replayed: false };
    const event = themeChanged(name);
    this.#recordEvent(event, now, operationId);
    return { answer, replayed: false, event };
  }

  #decide(
    command: ImageCommand,
    current: Image | undefined,
    lease: Row | undefined,
    time: Date,
  ): Change | null {
    const now = time.toISOString();
    switch (command.operation) {
      case 'create_image': {
        const { id = imageId(time), ...said } = command.fields;
        const fields = this.#withMeantTheme(said);
        if (command.fields.id && this.#imageRow(id)) {
          throw new ServiceError('image_exists', 'There is an image with this id already.');
        }
        return created(fields, claimed(command.content, lease), { id, now });
      }
      case 'update_image':
        return updated(current, { ...command, patch: this.#withMeantTheme(command.patch) }, now);
      case 'delete_image':
        return deleted(current, command.if_version, now);
      case 'restore_image':
        return restored(current, command.if_version, now);
      case 'replace_content': {
        // The preconditions first: a missing image is the better answer than missing content.
        const content = () => claimed(command.content, lease);
        return contentReplaced(current, command.if_sha256, content, now);
      }
    }
  }

  /** Decided here, where the vocabulary is as the change finds it: a replica may know an older one. */
  #withMeantTheme<T extends { theme?: string }>(fields: T): T {
    if (fields.theme === undefined) return fields;
    return { ...fields, theme: this.#themes.meant(fields.theme) ?? fields.theme };
  }

  #lease(operationId: string): Row | undefined {
    return this.#statements.get(
      `select ${BLOB_COLUMNS}, l.blob, l.source_sha256, l.source_size_bytes
       from leases l join blobs b on b.id = l.blob where l.operation_id = ?`,
      operationId,
    );
  }

  /** Bytes that came with a request which does not need them are swept. */
  #giveUpLease(operationId: string): void {
    const sql = 'update leases set expires_at = 0 where operation_id = ? and claimed = 0';
    this.#statements.run(sql, operationId);
  }

  #imageRow(imageId: string): Row | undefined {
    const sql = `select ${IMAGE_COLUMNS} from images i join blobs b on b.id = i.blob
      where i.id = ?`;
    return this.#statements.get(sql, imageId);
  }

  #insertRow(image: Image, blob: number): number {
    const row = { ...imageRow(image), blob };
    const names = Object.keys(row);
    const sql = `insert into images (${names.join(', ')})
      values (${names.map(() => '?').join(', ')}) returning seq`;
    return this.#statements.get(sql, ...Object.values(row))?.seq as number;
  }

  #updateRow(seq: number, image: Image, blob: number): void {
    const { id: _, created_at: __, ...columns } = imageRow(image);
    const row: Row = { ...columns, blob };
    const assignments = Object.keys(row).map((name) => `${name} = ?`);
    const sql = `update images set ${assignments.join(', ')} where seq = ?`;
    this.#statements.run(sql, ...Object.values(row), seq);
  }

  #recordEvent(event: StorageEvent, now: number, operationId: string): void {
    this.#statements.run(
      `insert into events (message_id, event_type, data, created_at, operation_id)
       values (?, ?, ?, ?, ?)`,
      event.message_id,
      event.event_type,
      JSON.stringify(event.data),
      now,
      operationId,
    );
  }

  #keep(operation: Operation, answer: Answer): void {
    this.#statements.run(
      `insert into operations (operation_id, fingerprint, answer, expires_at)
       values (?, ?, ?, ?)`,
      operation.operation_id,
      operation.fingerprint,
      JSON.stringify(answer),
      Date.now() + ANSWER_KEPT_MS,
    );
  }

  /** Keeps a blob that lost its image for a while. */
  retain(blob: number, now: number): void {
    const sql = `insert into leases values (?, ?, '', 0, 1, ?)`;
    this.#statements.run(sql, randomUUID(), blob, now + RETAINED_MS);
  }
}

/** The package draws 16 bytes for each id, and a draw costs as much as an insert. */
const RANDOM_BYTES_A_DRAW = 4096;
const randomBytes = new Uint8Array(RANDOM_BYTES_A_DRAW);
let drawn = RANDOM_BYTES_A_DRAW;

function imageId(time: Date): string {
  if (drawn === RANDOM_BYTES_A_DRAW) {
    randomFillSync(randomBytes);
    drawn = 0;
  }
  const random = randomBytes.subarray(drawn, drawn + 16);
  drawn += 16;
  return uuidv7({ msecs: time.getTime(), random });
}

function imageChanged({ image, event_type, changed }: Change): ImageEvent {
  const { id: image_id, version, theme, type } = image;
  const data = { image_id, version, theme, type, sha256: image.content.sha256, changed };
  return { message_id: randomUUID(), event_type, data };
}

function themeChanged(name: string): ThemeEvent {
  return { message_id: randomUUID(), event_type: 'theme.changed', data: { name } };
}

function isOfImage(command: Command): command is ImageCommand {
  return command.operation !== 'put_theme' && command.operation !== 'delete_theme';
}

export function operationIdReused(): ServiceError {
  const message = 'This operation id was used for another request; take a new one.';
  return new ServiceError('operation_id_reused', message);
}

function repeated(answer: Answer): Written | ServiceError {
  if ('error' in answer) return ServiceError.fromData({ ...answer.error, replayed: true });
  return { answer: answer.value, replayed: true };
}

function requireSize({ sha256, size_bytes }: Claim, lease: Row): void {
  if (sha256 !== lease.source_sha256 && sha256 !== lease.sha256) return;
  const size = sha256 === lease.source_sha256 ? lease.source_size_bytes : lease.size_bytes;
  if (size === size_bytes) return;
  const message = `is ${size_bytes}, and the content of this hash has ${size} bytes`;
  throw invalid([{ field: 'content.size_bytes', message }]);
}

/** The content that an operation leased. */
function claimed(claim: Claim, lease: Row | undefined): KeptContent {
  if (!lease || (lease.source_sha256 !== claim.sha256 && lease.sha256 !== claim.sha256)) {
    const message = 'The bytes of the image are not here any more; send the whole request again.';
    throw new ServiceError('content_missing', message);
  }
  const source_sha256 = lease.source_sha256 as string;
  return { ...toBlob(lease), source_sha256, filename: claim.filename } as KeptContent;
}
