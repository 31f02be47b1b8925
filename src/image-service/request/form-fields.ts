import type { FieldError } from '../../contract/errors.ts';
import { parseJson } from '../../contract/json.ts';
import { tagsInText } from '../../contract/tag-list.ts';

/** The values of each field in the order in which they came; parts sent as JSON are parsed. */
export type Texts = Map<string, unknown[]>;

/** A form cannot say null: a field that is left empty is absent. An empty description is one. */
const ABSENT_WHEN_EMPTY: ReadonlySet<string> = new Set([
  'subtype',
  'attributes',
  'source_type',
  'source_id',
  'visibility',
]);
const TAGS_RULE =
  'must be a JSON array when it looks like JSON: ["elf","ranger"]; or send tags=elf,ranger';

/** Form texts as the values that the check of the fields takes. What it cannot tell goes to `faults`. */
export function formFields(texts: Texts, faults: FieldError[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, [first, ...more]] of texts) {
    if (name === 'tags') fields.tags = tagsOf([first, ...more], faults);
    else if (first === '' && ABSENT_WHEN_EMPTY.has(name)) continue;
    else fields[name] = name === 'attributes' ? parseAttributes(first) : first;
  }
  return fields;
}

/**
 * Repeated fields, comma lists and JSON arrays in one; an empty one is none. What is no text stays
 * as it is, so that the check of the fields names it.
 */
function tagsOf(values: readonly unknown[], faults: FieldError[]): unknown[] {
  const tags = values.flatMap((value) => {
    const list = typeof value === 'string' ? tagsInText(value) : value;
    if (list !== undefined) return list;
    faults.push({ field: 'tags', message: TAGS_RULE });
    return [];
  });
  return tags.filter((tag) => tag !== '');
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Text that is not JSON stays text, so that the check of the fields names it. */
function parseAttributes(value: unknown): unknown {
  return typeof value === 'string' ? (parsed(value) ?? value) : value;
}
