import type { ErrorData } from '../../../../contract/errors.ts';
import type { ImagePage } from '../../../../contract/image.ts';
import type { Json } from '../../../../contract/json.ts';
import type { Reader } from '../reader.ts';
import type { Lister } from '../search/lister.ts';
import type { Upkeep } from '../writes/upkeep.ts';
import type { Writer } from '../writes/writer.ts';

/** What the catalog asks of its threads. Arguments and answers are plain values. */

/** Calls that change rows, answered by the one writing thread after a durable commit. */
export type WriteCalls = Pick<Writer, 'execute'> &
  Pick<
    Upkeep,
    | 'addLease'
    | 'expireLease'
    | 'expireUploadLeases'
    | 'purge'
    | 'forget'
    | 'eventsPublished'
    | 'forgetBlob'
    | 'blobDeleted'
    | 'touch'
  > & { tidy(): boolean; reindex(): number; rebuild(): void };

/** Calls that only read, answered by any reading thread. */
export type ReadCalls = {
  /** As JSON: the one large answer, and text crosses threads several times faster than objects. */
  list(...values: Parameters<Lister['list']>): Json<ImagePage>;
} & Pick<
  Reader,
  | 'findImage'
  | 'listThemes'
  | 'findBlob'
  | 'unpublishedEvents'
  | 'blobsToRelease'
  | 'blobsAfter'
  | 'imagesOfBlob'
  | 'usage'
> & { check(): string[] };

/** The one write that is made to a damaged catalog. */
export const REPAIR = 'rebuild' satisfies keyof WriteCalls;

/** Ends the thread after what it has begun. */
export const CLOSE = 'close';

export type Asked = { id: number; call: string; values: unknown[] };
/** What the operator is to know; nobody asked for it. */
export type Notice = { clockBehindMs: number };

export type Answered =
  | { id: number; value: unknown }
  | { id: number; error: ErrorData; cause?: string };

export type WorkerSettings = { path: string; access: 'write' | 'read' };
