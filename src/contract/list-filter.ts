import { faultsOf } from './check.ts';
import { type FieldError, invalid } from './errors.ts';
import { exists, normalLine, normalTags } from './fields.ts';
import { ImageFilter } from './image.ts';
import { PAGE_DEFAULT_ITEMS } from './limits.ts';
import { tagsInText } from './tag-list.ts';
import { themeKey } from './theme-names.ts';

/**
 * A filter as a client says it, brought into the one form of all ways to say the same: its JSON is
 * equal for equal filters. One value may stand without its list, a number or boolean may be text, and
 * what is empty is absent, because HTML forms send every field.
 */

/** Undefined: the filter is absent. What is of no kind it knows, it leaves for the check. */
type Form = (given: unknown) => unknown;

const FORMATS_ALSO_CALLED: Readonly<Record<string, string>> = { jpg: 'jpeg' };
const SHOWN_MAX_CHARACTERS = 100;

const lower = (text: string) => text.toLowerCase();
const format = (text: string) => FORMATS_ALSO_CALLED[lower(text)] ?? lower(text);
/** A name of signs alone has no key, and no theme. */
const theme = (text: string) => themeKey(text) || lower(text);

const FORMS: Readonly<Record<keyof ImageFilter, Form>> = {
  type: listOf(lower),
  subtype: listOf(),
  theme: listOf(theme),
  tag: (given) => TAGS(typeof given === 'string' ? (tagsInText(given) ?? given) : given),
  source_type: listOf(),
  source_id: listOf(),
  owner: listOf(),
  format: listOf(format),
  visibility: listOf(lower),
  attr: attributes,
  q: text(),
  min_width: number,
  min_height: number,
  created_after: text(),
  created_before: text(),
  deleted: boolean,
  sort: text(lower),
  limit: number,
  cursor: text(),
};
const TAGS = listOf((tag) => normalTags([tag])[0]!);
/** Values that mean the same as an absent filter. */
const DEFAULTS: Partial<Record<keyof ImageFilter, unknown>> = {
  min_width: 1,
  min_height: 1,
  deleted: false,
  sort: '-created_at',
  limit: PAGE_DEFAULT_ITEMS,
};

/** Throws invalid_request that names every faulty filter. */
export function listFilter(input: unknown): ImageFilter {
  const said = normal(input);
  const faults = faultsOf(ImageFilter, said).map((fault) => withValue(fault, said));
  if (faults.length > 0) throw invalid(faults);
  const filter = said as ImageFilter;
  for (const field of ['created_after', 'created_before'] as const) {
    const time = filter[field];
    if (time === undefined || exists(time)) continue;
    throw invalid([{ field, message: `must be a time that exists, not "${time}"` }]);
  }
  const { q, sort } = filter;
  if (q !== undefined && sort !== undefined && !sort.endsWith('created_at')) {
    const message = `must be created_at or -created_at together with q, not ${sort}`;
    throw invalid([{ field: 'sort', message }]);
  }
  return canonical(filter);
}

function normal(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const entries = Object.entries(input).map(([name, given]): [string, unknown] => {
    const form = Object.hasOwn(FORMS, name) ? FORMS[name as keyof ImageFilter] : undefined;
    return [name, form ? form(given) : given];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** In the order of the schema, without defaults. */
function canonical(filter: ImageFilter): ImageFilter {
  const names = Object.keys(FORMS) as (keyof ImageFilter)[];
  const entries = names.map((name) => [name, filter[name]] as const);
  return Object.fromEntries(
    entries.filter(([name, value]) => value !== undefined && value !== DEFAULTS[name]),
  );
}

function listOf(form = (text: string) => text): Form {
  return (given) => {
    if (Array.isArray(given) && given.length === 0) return given;
    const values = (Array.isArray(given) ? given : [given]).map(asText);
    if (!values.every((value) => typeof value === 'string')) return values;
    const normalised = values.map((value) => form(normalLine(value))).filter(Boolean);
    return normalised.length === 0 ? undefined : [...new Set(normalised)].sort();
  };
}

/** Values stay as they are, also an empty one: an attribute may be an empty text. */
function attributes(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  const entries = Object.entries(given).map(([key, value]): [string, unknown] => {
    const values = (Array.isArray(value) ? value : [value]).map(asText);
    return [key, [...new Set(values)].sort()];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Numbers, booleans and null as their JSON, like attributes in a search row. */
function asText(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? value : String(value);
}

function text(form = (given: string) => given): Form {
  return (given) => (typeof given === 'string' ? form(given.trim()) || undefined : given);
}

function number(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  const digits = given.trim();
  if (digits === '') return undefined;
  return /^-?\d{1,15}$/.test(digits) ? Number(digits) : given;
}

function boolean(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  const word = lower(given.trim());
  if (word === '') return undefined;
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  return given;
}

/** The fault with the value that was sent. */
function withValue({ field, message }: FieldError, filter: unknown): FieldError {
  const value = (filter as Record<string, unknown>)[field];
  if (value === undefined || field === 'attr' || !message.startsWith('must ')) {
    return { field, message };
  }
  const shown = JSON.stringify(Array.isArray(value) && value.length === 1 ? value[0] : value);
  const characters = [...shown];
  const cut = characters.slice(0, SHOWN_MAX_CHARACTERS).join('');
  return { field, message: `${message}, not ${cut}${cut === shown ? '' : '…'}` };
}
