import type { ErrorCode } from '../../src/contract/errors.ts';
import type { ImageFields } from '../../src/contract/image.ts';
import { FILTER_MAX_VALUES } from '../../src/contract/limits.ts';
import type { ImageClient } from '../client.ts';
import { AnsweredError } from '../problem.ts';
import { type FileError, type ImageFile, imageFile, tagsOf, unreadable } from './image-file.ts';
import type { Tally } from './tally.ts';
import { type Entry, entriesOf, type Source } from './walk.ts';

/**
 * Brings the images of a folder into the service, each once however often it is done.
 *
 * An image is known again by its source_id. The service is asked which of them it has before
 * anything is sent, because an Idempotency-Key is forgotten after a day; the key, the same for
 * the same source_id, covers an upload whose answer was lost. An image that was imported and then
 * deleted stays deleted: somebody wanted that, and a second copy would meet the first when it is
 * restored.
 */

export type Plan = {
  sources: readonly Source[];
  recursive: boolean;
  /** The first folder on the way to a file is its theme, and no tag. */
  themeFromFolders: boolean;
  /** Uploads at the same time. */
  concurrency: number;
  /** `theme` is absent when only folders name themes. */
  fields: Pick<ImageFields, 'type' | 'visibility'> & { theme?: string; tags: string[] };
};

const SOURCE_TYPE = 'import';
const NO_THEME = {
  code: 'no_theme',
  message: 'is in no sub-folder that could name its theme; --theme names one for such files',
};

/** These would meet every further file too, so the import ends. */
const ENDING: ReadonlySet<ErrorCode> = new Set([
  'storage_unavailable',
  'storage_full',
  'rate_limited',
]);
const GATEWAY_STATUSES = [502, 504];

/** Once `stop` aborts, no further file begins. Never throws: what fails is in the tally. */
export async function importFolder(
  client: ImageClient,
  plan: Plan,
  tally: Tally,
  stop: AbortController,
): Promise<void> {
  const missing = missingImages(client, plan, tally);
  const upload = async () => {
    try {
      for await (const file of missing) {
        if (stop.signal.aborted) break;
        await send(client, plan, file, tally);
      }
    } catch (thrown) {
      tally.stopped ??= (thrown as Error).message;
      stop.abort();
    }
  };
  await Promise.all(Array.from({ length: plan.concurrency }, upload));
}

async function send(client: ImageClient, plan: Plan, file: ImageFile, tally: Tally) {
  try {
    if (await create(client, plan, file)) tally.take(file.content.size);
    else tally.alreadyThere++;
  } catch (thrown) {
    if (thrown instanceof AnsweredError && !ends(thrown)) tally.refuse(file.path, thrown);
    else if (isUnreadable(thrown)) tally.refuse(file.path, unreadable(thrown.cause));
    else throw thrown;
  }
}

function ends({ code, status }: AnsweredError): boolean {
  return ENDING.has(code) || GATEWAY_STATUSES.includes(status);
}

/** fetch rejects with a TypeError whose cause is what happened to the body. */
function isUnreadable(thrown: unknown): thrown is Error {
  return thrown instanceof TypeError && Object(thrown.cause).name === 'NotReadableError';
}

/** Whether it is new to the service. */
async function create(client: ImageClient, plan: Plan, file: ImageFile): Promise<boolean> {
  const { name, content, sourceId } = file;
  const [folder, ...inner] = file.folders;
  const named = plan.themeFromFolders ? folder : undefined;
  const theme = named ?? plan.fields.theme!;
  const tags = [
    ...plan.fields.tags,
    ...(named === undefined ? file.folders : inner).flatMap(tagsOf),
  ];
  const source = { source_type: SOURCE_TYPE, source_id: sourceId };
  const fields = { ...plan.fields, theme, name, tags, ...source };
  const first = await client.create(fields, content, { idempotencyKey: sourceId });
  if (!first.replayed || (await isThere(client, first.value.id))) return !first.replayed;
  // The answer outlived the image, which was purged within the day. It may come again.
  const idempotencyKey = `${sourceId}.${first.value.id}`;
  return !(await client.create(fields, content, { idempotencyKey })).replayed;
}

async function isThere(client: ImageClient, id: string): Promise<boolean> {
  try {
    await client.get(id);
    return true;
  } catch (thrown) {
    if (thrown instanceof AnsweredError && thrown.code === 'image_not_found') return false;
    throw thrown;
  }
}

/** The images of the folder that the service does not have; all others go into the tally. */
async function* missingImages(client: ImageClient, plan: Plan, tally: Tally) {
  for await (const images of batches(plan, tally)) {
    const live = await sourceIds(client, images, false);
    const rest = images.filter(({ sourceId }) => !live.has(sourceId));
    const deleted = await sourceIds(client, rest, true);
    const missing = rest.filter(({ sourceId }) => !deleted.has(sourceId));
    tally.alreadyThere += images.length - rest.length;
    tally.deletedThere += rest.length - missing.length;
    yield* missing;
  }
}

async function sourceIds(client: ImageClient, images: ImageFile[], deleted: boolean) {
  const found = new Set<string | null>();
  if (images.length === 0) return found;
  const source_id = images.map(({ sourceId }) => sourceId);
  const filter = { source_type: [SOURCE_TYPE], source_id, limit: 200 };
  for await (const image of client.list(deleted ? { ...filter, deleted } : filter)) {
    found.add(image.source_id);
  }
  return found;
}

/** As many as one question to the service may name. */
async function* batches(plan: Plan, tally: Tally) {
  let batch: Promise<ImageFile | undefined>[] = [];
  const images = async () => (await Promise.all(batch)).filter((image) => image !== undefined);
  for await (const found of entriesOf(plan.sources, plan.recursive)) {
    if (found.kind === 'skipped') tally.skip(found.path, found.reason);
    else if (found.kind === 'unreadable') tally.refuse(found.path, unreadable(found.error));
    else batch.push(identify(found, plan, tally));
    if (batch.length === FILTER_MAX_VALUES) {
      yield await images();
      batch = [];
    }
  }
  yield await images();
}

async function identify({ folder, path }: Entry, plan: Plan, tally: Tally) {
  try {
    const image = await imageFile(folder, path);
    if (!image) {
      tally.skipNotImage(path);
    } else if (image.folders.length === 0 && plan.fields.theme === undefined) {
      tally.refuse(path, NO_THEME);
    } else {
      return image;
    }
    return undefined;
  } catch (thrown) {
    tally.refuse(path, thrown as FileError);
  }
}
