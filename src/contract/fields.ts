import { requireAttributesWithinSize } from './attributes.ts';
import { check } from './check.ts';
import { invalid } from './errors.ts';
import {
  ImageFields,
  type ImageFilter,
  ImageFilter as ImageFilterSchema,
  ImagePatch,
} from './image.ts';
import { CreateImage } from './storage.ts';

/**
 * What a client says, brought into the one form that is kept, compared and searched. Every door
 * goes through here; the normal form of a normal form is itself.
 */

/** Lines that are kept as they are written, but for blanks around them and their Unicode form. */
const LINES = ['name', 'subtype', 'source_type', 'source_id'] as const;

function normalLine(text: string): string {
  return text.trim().normalize('NFC');
}

/** Trimmed, lower case, NFC; duplicates dropped, order kept. */
export function normalTags(tags: readonly string[]): string[] {
  return [...new Set(tags.map((tag) => normalLine(tag.toLowerCase())))];
}

function normal(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const fields: Record<string, unknown> = { ...input };
  for (const name of LINES) {
    const value = fields[name];
    if (typeof value === 'string') fields[name] = normalLine(value);
  }
  const { tags } = fields;
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) {
    fields.tags = normalTags(tags);
  }
  return fields;
}

/** Throws invalid_request that names every faulty field. */
export function createFields(input: unknown): CreateImage {
  return requireAttributesWithinSize(check(CreateImage, normal(input)));
}

/** Throws invalid_request that names every faulty field. */
export function wholeFields(input: unknown): ImageFields {
  return requireAttributesWithinSize(check(ImageFields, normal(input)));
}

/** Throws invalid_request that names every faulty field. */
export function patchFields(input: unknown): ImagePatch {
  return requireAttributesWithinSize(check(ImagePatch, normal(input)));
}

/** Throws invalid_request that names every faulty parameter. */
export function listFilter(input: unknown): ImageFilter {
  const filter = check(ImageFilterSchema, input);
  const normalised = { ...filter };
  if (filter.tag) normalised.tag = normalTags(filter.tag);
  if (filter.theme) normalised.theme = normalTags(filter.theme);
  for (const name of ['subtype', 'source_type', 'source_id'] as const) {
    if (filter[name]) normalised[name] = filter[name].map(normalLine);
  }
  for (const field of ['created_after', 'created_before'] as const) {
    const time = filter[field];
    if (time !== undefined && !exists(time)) {
      throw invalid([{ field, message: 'must be a time that exists' }]);
    }
  }
  if (filter.q !== undefined && filter.sort !== undefined && !filter.sort.endsWith('created_at')) {
    const message = 'must be created_at or -created_at together with q';
    throw invalid([{ field: 'sort', message }]);
  }
  return normalised;
}

/** `Date` would take 30 February for 2 March. */
export function exists(time: string): boolean {
  const [year, month, day] = time.slice(0, 10).split('-').map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && !Number.isNaN(Date.parse(time));
}
