import type { DatabaseSync } from 'node:sqlite';
import { toJson } from '../../../../contract/json.ts';
import { Reader } from '../reader.ts';
import { Lister } from '../search/lister.ts';
import type { ReadCalls } from './messages.ts';

/** The calls that only read, of one connection. */
export function readCallsOf(db: DatabaseSync): Omit<ReadCalls, 'check'> {
  const lister = new Lister(db);
  const reader = new Reader(db);
  return {
    list: (filter, deadline) => toJson(lister.list(filter, deadline)),
    findImage: (imageId) => reader.findImage(imageId),
    listThemes: () => reader.listThemes(),
    findBlob: (sha256) => reader.findBlob(sha256),
    unpublishedEvents: (limit) => reader.unpublishedEvents(limit),
    blobsToRelease: (now, limit) => reader.blobsToRelease(now, limit),
    blobsAfter: (sha256, limit) => reader.blobsAfter(sha256, limit),
    imagesOfBlob: (sha256, limit) => reader.imagesOfBlob(sha256, limit),
    usage: () => reader.usage(),
  };
}
