import { requireAttributesWithinSize } from '../../contract/attributes.ts';
import { ServiceError } from '../../contract/errors.ts';
import { contentUrl } from '../../contract/formats.ts';
import type { Image, ImageContent, ImageFields, ImagePatch } from '../../contract/image.ts';
import type { ImageEvent } from '../../contract/storage.ts';

/**
 * What each command makes of an image: pure, so that every catalog decides alike within its own
 * transaction. `null` stands for a command that finds its work already done.
 */
export type Change = { image: Image; event_type: ImageEvent['event_type']; changed: string[] };

/** Content as it is kept; address and time come with the image. */
export type KeptContent = Omit<ImageContent, 'url' | 'updated_at'>;

type Described = Required<{ [K in keyof ImageFields]: NonNullable<ImageFields[K]> | null }>;

const DEFAULTS = {
  subtype: null,
  description: null,
  tags: [],
  attributes: {},
  source_type: null,
  source_id: null,
  visibility: 'public',
} as const;

export function created(
  fields: ImageFields,
  content: KeptContent,
  { id, now }: { id: string; now: string },
): Change {
  const { type, subtype, name, description, theme, tags, attributes, ...rest } = described(fields);
  const image = {
    id,
    type,
    subtype,
    name,
    description,
    theme,
    tags,
    attributes,
    source_type: rest.source_type,
    source_id: rest.source_id,
    owner: null,
    visibility: rest.visibility,
    content: contentOf(id, content, now),
    version: 1,
    created_at: now,
    updated_at: now,
    deleted_at: null,
  } as Image;
  return { image, event_type: 'image.created', changed: [] };
}

export function updated(
  current: Image | undefined,
  change: { patch: ImagePatch; whole: boolean; if_version: number | null },
  now: string,
): Change {
  const image = live(current);
  requireVersion(image, change.if_version);
  const fields = change.whole
    ? described(change.patch as ImageFields)
    : merged(image, change.patch);
  requireAttributesWithinSize(fields);
  const changed = Object.keys(fields).filter((name) => {
    const key = name as keyof ImageFields;
    return JSON.stringify(fields[key]) !== JSON.stringify(image[key]);
  });
  return next(image, fields as Partial<Image>, 'image.updated', changed, now);
}

export function deleted(
  current: Image | undefined,
  ifVersion: number | null,
  now: string,
): Change | null {
  if (!current) throw imageNotFound();
  if (current.deleted_at !== null) return null;
  requireVersion(current, ifVersion);
  return next(current, { deleted_at: now }, 'image.deleted', ['deleted_at'], now);
}

export function restored(
  current: Image | undefined,
  ifVersion: number | null,
  now: string,
): Change | null {
  if (!current) throw imageNotFound();
  requireVersion(current, ifVersion);
  if (current.deleted_at === null) return null;
  return next(current, { deleted_at: null }, 'image.restored', ['deleted_at'], now);
}

export function contentReplaced(
  current: Image | undefined,
  ifSha256: string | null,
  claimed: () => KeptContent,
  now: string,
): Change {
  const image = live(current);
  if (ifSha256 !== null && ifSha256 !== image.content.sha256) {
    throw new ServiceError(
      'precondition_failed',
      `The content is now "${image.content.sha256}", not what If-Match names; read it again.`,
    );
  }
  const content = contentOf(image.id, claimed(), now);
  return next(image, { content }, 'image.updated', ['content'], now);
}

function contentOf(imageId: string, kept: KeptContent, now: string): ImageContent {
  return { url: contentUrl(imageId, kept.sha256), ...kept, updated_at: now };
}

export function imageNotFound(): ServiceError {
  return new ServiceError('image_not_found', 'There is no image with this id.');
}

export function live(image: Image | undefined): Image {
  if (!image || image.deleted_at !== null) throw imageNotFound();
  return image;
}

function requireVersion(image: Image, version: number | null): void {
  if (version === null || version === image.version) return;
  throw new ServiceError(
    'precondition_failed',
    `The image is at version ${image.version}, not the one demanded; read it again, then repeat the change.`,
  );
}

function next(
  image: Image,
  fields: Partial<Image>,
  event_type: Change['event_type'],
  changed: string[],
  now: string,
): Change {
  const version = image.version + 1;
  return { image: { ...image, ...fields, version, updated_at: now }, event_type, changed };
}

/** The fields with their defaults: the one form of all ways to say the same. */
export function described(fields: ImageFields): Described {
  return {
    type: fields.type,
    name: fields.name,
    theme: fields.theme,
    subtype: fields.subtype ?? DEFAULTS.subtype,
    description: fields.description ?? DEFAULTS.description,
    tags: fields.tags ?? [...DEFAULTS.tags],
    attributes: fields.attributes ?? { ...DEFAULTS.attributes },
    source_type: fields.source_type ?? DEFAULTS.source_type,
    source_id: fields.source_id ?? DEFAULTS.source_id,
    visibility: fields.visibility ?? DEFAULTS.visibility,
  };
}

/** RFC 7396; a null clears a field to its default, and within attributes it removes the key. */
function merged(image: Image, patch: ImagePatch): Described {
  const fields: Record<string, unknown> = described(image);
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (name === 'attributes' && value !== null) {
      fields.attributes = mergedAttributes(image.attributes, value as Image['attributes']);
    } else {
      fields[name] = value ?? DEFAULTS[name as keyof typeof DEFAULTS];
    }
  }
  return fields as Described;
}

function mergedAttributes(current: Image['attributes'], patch: Image['attributes']) {
  const attributes = { ...current };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete attributes[key];
    else attributes[key] = value;
  }
  return attributes;
}
