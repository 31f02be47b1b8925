import type { FastifyRequest } from 'fastify';
import { type FieldError, invalid } from '../../contract/errors.ts';
import { listFilter } from '../../contract/fields.ts';
import type { ImageFilter } from '../../contract/image.ts';

/** Fastify keeps the query as text: each route reads its own, once, and knows what may repeat. */
export const keepQueryText = (text: string) => ({ text });

export function queryText(request: FastifyRequest): string {
  return (request.query as ReturnType<typeof keepQueryText>).text;
}

/** What becomes of the text of a parameter; `many` may be repeated. */
type Kind = 'many' | 'text' | 'number' | 'boolean';

const KINDS = {
  type: 'many',
  subtype: 'many',
  theme: 'many',
  tag: 'many',
  source_type: 'many',
  source_id: 'many',
  owner: 'many',
  format: 'many',
  visibility: 'many',
  q: 'text',
  min_width: 'number',
  min_height: 'number',
  created_after: 'text',
  created_before: 'text',
  deleted: 'boolean',
  sort: 'text',
  limit: 'number',
  cursor: 'text',
} as const satisfies Record<Exclude<keyof ImageFilter, 'attr'>, Kind>;

const ATTRIBUTE_PREFIX = 'attr.';

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
      continue;
    }
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name as keyof typeof KINDS] : undefined;
    if (kind === undefined) {
      const known = [...Object.keys(KINDS), `${ATTRIBUTE_PREFIX}<key>`].join(', ');
      faults.push({ field: name, message: `is not a parameter here; there are ${known}` });
    } else if (kind === 'many') {
      filter[name] = [...((filter[name] as string[] | undefined) ?? []), text];
    } else if (Object.hasOwn(filter, name)) {
      faults.push({ field: name, message: 'must be given only once' });
    } else {
      filter[name] = convert(kind, text);
    }
  }
  if (attr.size > 0) filter.attr = Object.fromEntries(attr);
  if (faults.length > 0) throw invalid(faults);
  return listFilter(filter);
}

/** Text that is none of its kind stays text, so that the check of the filter names it. */
function convert(kind: Kind, text: string): unknown {
  if (kind === 'number' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
