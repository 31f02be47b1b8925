import { type Format, MEDIA_TYPES } from '../../../../contract/formats.ts';
import type { Image, ImageFilter } from '../../../../contract/image.ts';
import { json, type Row } from '../rows.ts';

export const FILTERED_COLUMNS = `i.deleted_at, i.type, i.subtype, i.theme, i.source_type,
  i.source_id, i.owner, i.visibility, i.tags, i.attributes, b.media_type, b.width, b.height`;

/**
 * The filters put to one row, for walks in an order that the full-text tables do not have. They
 * mean what the facets of tokens.ts mean. `themes` are those that the filter's names stand for.
 */
export function rowFilter(
  filter: ImageFilter,
  themes: readonly string[] | undefined,
): (row: Row) => boolean {
  const among = (values: readonly string[] | undefined, column: string) => {
    const set = values && new Set(values);
    return (row: Row) => !set || set.has(row[column] as string);
  };
  const mediaTypes = filter.format?.map((format) => MEDIA_TYPES[format as Format]);
  const tests = [
    (row: Row) => (row.deleted_at !== null) === (filter.deleted ?? false),
    among(filter.type, 'type'),
    among(filter.subtype, 'subtype'),
    among(themes, 'theme'),
    among(filter.source_type, 'source_type'),
    among(filter.source_id, 'source_id'),
    among(filter.owner, 'owner'),
    among(filter.visibility, 'visibility'),
    among(mediaTypes, 'media_type'),
    (row: Row) => (row.width as number) >= (filter.min_width ?? 1),
    (row: Row) => (row.height as number) >= (filter.min_height ?? 1),
  ];
  const { tag, attr } = filter;
  if (tag) {
    tests.push((row) => {
      const tags = json<string[]>(row.tags);
      return tag.every((wanted) => tags.includes(wanted));
    });
  }
  if (attr) {
    const wanted = Object.entries(attr);
    tests.push((row) => {
      const attributes = json<Image['attributes']>(row.attributes);
      return wanted.every(([key, values]) => {
        if (!Object.hasOwn(attributes, key)) return false;
        return [attributes[key]].flat().some((scalar) => values.includes(String(scalar)));
      });
    });
  }
  return (row) => tests.every((test) => test(row));
}
