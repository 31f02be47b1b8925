import type { FastifyRequest } from 'fastify';
import { closest } from '../../contract/closest.ts';
import { type FieldError, invalid } from '../../contract/errors.ts';
import { type ImageFilter, ImageFilter as ImageFilterSchema } from '../../contract/image.ts';
import { listFilter } from '../../contract/list-filter.ts';
import { tagsInText } from '../../contract/tag-list.ts';

/** Fastify keeps the query as text: each route reads its own, once, and knows what may repeat. */
export const keepQueryText = (text: string) => ({ text });

export function queryText(request: FastifyRequest): string {
  return (request.query as ReturnType<typeof keepQueryText>).text;
}

/** Whoever sends thousands of unknown parameters is not told of each. */
const FAULTS_MAX = 20;
/** Parameters that may be given once; all others may be repeated. */
const SINGLE: ReadonlySet<string> = new Set<keyof ImageFilter>([
  'q',
  'min_width',
  'min_height',
  'created_after',
  'created_before',
  'deleted',
  'sort',
  'limit',
  'cursor',
]);
const ATTRIBUTE_PREFIX = 'attr.';
const PARAMETERS = Object.keys(ImageFilterSchema.properties).filter((name) => name !== 'attr');
const KNOWN: ReadonlySet<string> = new Set(PARAMETERS);

/**
 * The filter that a query string asks for. Throws invalid_request that names every parameter
 * that is unknown, repeated, or wrong.
 */
export function parseListQuery(query: string): ImageFilter {
  const filter: Record<string, unknown> = {};
  const attr = new Map<string, string[]>();
  const faults: FieldError[] = [];
  for (const [name, text] of new URLSearchParams(query)) {
    if (name.startsWith(ATTRIBUTE_PREFIX)) {
      const key = name.slice(ATTRIBUTE_PREFIX.length);
      attr.set(key, [...(attr.get(key) ?? []), text]);
    } else if (!KNOWN.has(name)) {
      faults.push({ field: name, message: unknownParameter(name) });
    } else if (text.trim() === '') {
      // An HTML form sends every field.
    } else if (!SINGLE.has(name)) {
      const values = name === 'tag' ? tagsIn(text) : [text];
      filter[name] = [...((filter[name] as unknown[] | undefined) ?? []), ...values];
    } else if (Object.hasOwn(filter, name)) {
      faults.push({ field: name, message: 'must be given only once' });
    } else {
      filter[name] = text;
    }
  }
  if (attr.size > 0) filter.attr = Object.fromEntries(attr);
  if (faults.length > 0) throw invalid(faults);
  return listFilter(filter);
}

/** Throws invalid_request that names every parameter of a route that has none. */
export function requireNoQuery(request: FastifyRequest): void {
  const names = new Set(new URLSearchParams(queryText(request)).keys());
  const faults = [...names].map((field) => ({ field, message: 'is not a parameter here' }));
  if (faults.length > 0) throw invalid(faults.slice(0, FAULTS_MAX));
}

function unknownParameter(name: string): string {
  const meant = closest(name, PARAMETERS);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return `is not a parameter here; there are ${PARAMETERS.join(', ')}, ${ATTRIBUTE_PREFIX}<key>${hint}`;
}

/** As in uploads; what is no list is a tag. */
function tagsIn(text: string): unknown[] {
  const tags = tagsInText(text);
  return Array.isArray(tags) ? tags : [text];
}
