import { type Static, type TObject, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type FieldError, invalid } from './errors.ts';
import { InexactNumber } from './json.ts';

/** A property of an object schema, ready to check a value. */
type Rule = { check: Validator; required: boolean; expected: string };

const compiled = new WeakMap<TObject, Map<string, Rule>>();

function rulesOf(schema: TObject): Map<string, Rule> {
  let rules = compiled.get(schema);
  if (!rules) {
    rules = new Map();
    for (const [name, property] of Object.entries(schema.properties)) {
      const { description } = property as { description?: string };
      const required = !Type.IsOptional(property);
      rules.set(name, { check: Compile(property), required, expected: description ?? 'valid' });
    }
    compiled.set(schema, rules);
  }
  return rules;
}

/** Whoever sends a hundred thousand wrong fields is not told of each. */
const FAULTS_MAX = 20;
const NAME_SHOWN_MAX_CHARACTERS = 100;

/**
 * One sentence for each field that breaks the schema, up to FAULTS_MAX. `at` is the path of the
 * object within what was sent.
 */
export function faultsOf(schema: TObject, value: unknown, at = ''): FieldError[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ field: at, message: 'must be a JSON object' }];
  }
  const path = (field: string) => (at ? `${at}.${field}` : field);
  const rules = rulesOf(schema);
  const faults: FieldError[] = [];
  for (const field of Object.keys(value)) {
    if (faults.length === FAULTS_MAX) return faults;
    if (!rules.has(field)) {
      faults.push({
        field: path(field.slice(0, NAME_SHOWN_MAX_CHARACTERS)),
        message: `is not known here; known are ${[...rules.keys()].join(', ') || 'none'}`,
      });
    }
  }
  for (const [field, rule] of rules) {
    const given = (value as Record<string, unknown>)[field];
    if (given === undefined) {
      const message = `is required: ${rule.expected}`;
      if (rule.required) faults.push({ field: path(field), message });
    } else if (!rule.check.Check(given)) {
      const message = `must be ${rule.expected}`;
      faults.push(inexactNumberIn(given, path(field)) ?? { field: path(field), message });
    }
  }
  return faults;
}

const NUMBER_SHOWN_MAX_CHARACTERS = 40;
/** An attribute may be a list. Nothing is nested deeper, and a client may send more levels. */
const NUMBER_MAX_DEPTH = 2;

/** The first number in a value that JSON cannot carry exactly, named by its field. */
function inexactNumberIn(
  value: unknown,
  field: string,
  depth = NUMBER_MAX_DEPTH,
): FieldError | undefined {
  if (value instanceof InexactNumber) {
    const { source } = value;
    const long = source.length > NUMBER_SHOWN_MAX_CHARACTERS;
    const shown = long ? `${source.slice(0, NUMBER_SHOWN_MAX_CHARACTERS)}…` : source;
    const message = `is ${shown}, which a JSON number cannot carry exactly; send it as text: "${shown}"`;
    return { field, message };
  }
  if (depth === 0 || typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const name = key.slice(0, NAME_SHOWN_MAX_CHARACTERS);
    const at = Array.isArray(value) ? field : `${field}.${name}`;
    const found = inexactNumberIn(inner, at, depth - 1);
    if (found) return found;
  }
  return undefined;
}

/** The value as its schema's type. Throws invalid_request that names every faulty field. */
export function check<T extends TObject>(schema: T, value: unknown, at = ''): Static<T> {
  const faults = faultsOf(schema, value, at);
  if (faults.length > 0) throw invalid(faults);
  return value as Static<T>;
}
