import { contentUrl } from '../../../contract/formats.ts';
import type { Image } from '../../../contract/image.ts';
import type { Theme } from '../../../contract/theme.ts';
import type { Blob } from '../catalog.ts';
import { DamagedRowError } from './connection.ts';
import { wordsOf } from './search/words.ts';

type Value = string | number | null;
export type Row = Record<string, Value>;

/** Every column of an image with those of its blob, for `toImage`. */
export const IMAGE_COLUMNS = `
  i.seq, i.blob, i.id, i.type, i.subtype, i.name, i.description, i.theme, i.tags, i.attributes,
  i.source_type, i.source_id, i.owner, i.visibility, i.source_sha256, i.filename, i.content_updated_at,
  i.version, i.created_at, i.updated_at, i.deleted_at,
  b.sha256, b.size_bytes, b.media_type, b.width, b.height, b.pages, b.placeholder, b.palette`;

export function toImage(row: Row): Image {
  return {
    id: row.id,
    type: row.type,
    subtype: row.subtype,
    name: row.name,
    description: row.description,
    theme: row.theme,
    tags: json(row.tags),
    attributes: json(row.attributes),
    source_type: row.source_type,
    source_id: row.source_id,
    owner: row.owner,
    visibility: row.visibility,
    content: {
      url: contentUrl(row.id as string, row.sha256 as string),
      media_type: row.media_type,
      size_bytes: row.size_bytes,
      width: row.width,
      height: row.height,
      sha256: row.sha256,
      source_sha256: row.source_sha256,
      filename: row.filename,
      pages: row.pages,
      placeholder: row.placeholder,
      palette: json(row.palette),
      updated_at: time(row.content_updated_at),
    },
    version: row.version,
    created_at: time(row.created_at),
    updated_at: time(row.updated_at),
    deleted_at: time(row.deleted_at),
  } as Image;
}

function time(value: Value | undefined): string | null {
  if (typeof value !== 'number') return null;
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) throw new DamagedRowError(`${value} is no time`);
  return date.toISOString();
}

/** The value of a column that holds JSON. */
export function json<T>(text: Value | undefined): T {
  try {
    return JSON.parse(text as string) as T;
  } catch (cause) {
    throw new DamagedRowError('A column holds no JSON', { cause });
  }
}

/** The columns that say something of the image, named as in its table. */
export function imageRow(image: Image): Row {
  const time = (value: string | null) => (value === null ? null : Date.parse(value));
  return {
    id: image.id,
    type: image.type,
    subtype: image.subtype,
    name: image.name,
    name_key: nameKey(image.name),
    description: image.description,
    theme: image.theme,
    tags: JSON.stringify(image.tags),
    attributes: JSON.stringify(image.attributes),
    source_type: image.source_type,
    source_id: image.source_id,
    owner: image.owner,
    visibility: image.visibility,
    source_sha256: image.content.source_sha256,
    filename: image.content.filename,
    content_updated_at: time(image.content.updated_at),
    version: image.version,
    created_at: time(image.created_at),
    updated_at: time(image.updated_at),
    deleted_at: time(image.deleted_at),
  };
}

/** What `sort=name` goes by: words without case and accents, then the name itself. */
export function nameKey(name: string): string {
  return `${wordsOf(name).join(' ')} ${name}`;
}

export function toTheme(row: Row): Theme {
  return { ...row, synonyms: json(row.synonyms) } as Theme;
}

export const BLOB_COLUMNS =
  'b.sha256, b.size_bytes, b.media_type, b.width, b.height, b.pages, b.placeholder, b.palette';

export function toBlob(row: Row): Blob {
  return {
    sha256: row.sha256,
    size_bytes: row.size_bytes,
    media_type: row.media_type,
    width: row.width,
    height: row.height,
    pages: row.pages,
    placeholder: row.placeholder,
    palette: json(row.palette),
  } as Blob;
}
