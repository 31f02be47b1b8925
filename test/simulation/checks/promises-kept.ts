import { isDeepStrictEqual } from 'node:util';
import type { Image } from '../../../src/contract/image.ts';
import type { ImageEvent } from '../../../src/contract/storage.ts';
import type { ImageRecord, Ledger } from '../clients/ledger.ts';
import type { World } from '../world/world.ts';

type Found = { images: readonly Image[]; events: ReadonlyMap<string, readonly ImageEvent[]> };

/** Holds what is there, once all has come to rest, against all that clients were told. */
export function promisesKept(world: World, ledger: Ledger, { images, events }: Found): void {
  const byId = new Map(images.map((image) => [image.id, image]));
  for (const { id } of images) {
    if (ledger.images.has(id)) continue;
    world.broken('no image is there that nobody was told of', world.trace.name('image', id));
  }
  for (const record of ledger.images.values()) {
    const name = world.trace.name('image', record.id);
    const fault = faultOf(record, byId.get(record.id), events.get(record.id) ?? []);
    if (fault) world.broken('every acknowledged write is there exactly once', `${name} ${fault}`);
  }
}

function faultOf(
  record: ImageRecord,
  image: Image | undefined,
  events: readonly ImageEvent[],
): string | undefined {
  if (!image) return 'is not there';
  if (events.length !== image.version) {
    return `has version ${image.version}, and the last event told of ${events.length}`;
  }
  const types = events.map(({ event_type }) => event_type);
  for (const [index, type] of types.entries()) {
    const version = index + 1;
    const told = record.changes.has(version);
    const expected = type === 'image.created' || type === 'image.updated';
    if (told && !expected) return `has an ${type} for a write that made version ${version}`;
    if (!told && expected) return `has a version ${version} (${type}) of which nobody was told`;
    if ((type === 'image.created') !== (version === 1)) return `has an ${type} at ${version}`;
  }
  if (record.version > image.version) return `lost version ${record.version}`;
  const deletions = types.filter((type) => type === 'image.deleted').length;
  const restorations = types.filter((type) => type === 'image.restored').length;
  if (deletions > record.deletions) return 'was deleted more often than anybody asked';
  if (restorations > record.restorations) return 'was restored more often than anybody asked';
  if (record.deletions > 0 && deletions === 0) return 'was not deleted';
  const deleted = deletions > restorations;
  if (deletions - restorations > 1 || restorations > deletions) return 'was deleted while it was';
  if (deleted !== (image.deleted_at !== null)) return 'is deleted, or not, against its events';
  const told = record.changes.get(record.version)!;
  const same = isDeepStrictEqual(described(image), described(told));
  return same ? undefined : `is not what version ${record.version} was said to be`;
}

/** Without what deletions and restorations change. */
function described({ version: _, updated_at: __, deleted_at: ___, ...rest }: Image) {
  return rest;
}
