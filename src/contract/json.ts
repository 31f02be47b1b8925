declare const written: unique symbol;

/** The JSON text of a T: written once, where it was read, and passed on as it is. */
export type Json<T> = string & { readonly [written]: T };

export function toJson<T>(value: T): Json<T> {
  return JSON.stringify(value) as Json<T>;
}

export function fromJson<T>(text: Json<T>): T {
  return JSON.parse(text);
}

/**
 * Stands where a client's JSON has a number that a double would change, such as an id of 64 bits.
 * No schema accepts it, so the check of the fields names it.
 */
export class InexactNumber {
  /** As the client wrote it. */
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** Numbers that may change: 16 digits and more, or an exponent of three digits. */
const MAY_CHANGE = /[\d.]{16}|[eE][+-]?\d{3}/;
/** The digits of a double end long before; it also bounds the work on one number. */
const NUMBER_MAX_CHARACTERS = 100;
/** So many digits tell every double from its neighbours; some languages write 0.1 with all of them. */
const DOUBLE_MAX_DIGITS = 17;

/** As engines have it; the type library does not yet. */
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown;

/** What a client sent. Throws like JSON.parse. Numbers that would change become InexactNumber. */
export function parseJson(sent: string): unknown {
  // Some libraries of Windows begin with a mark of the byte order.
  const text = sent.startsWith('\ufeff') ? sent.slice(1) : sent;
  if (!mayChange(text)) return parse(text);
  return parse(text, (_key, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    return isExact(source, value) ? value : new InexactNumber(source);
  });
}

/**
 * Whether it is worth asking of each number. Strings are skipped: the base64 of an image has digits
 * without end, and a pattern that looks at all of them costs ten times what parsing does.
 */
function mayChange(text: string): boolean {
  let at = 0;
  while (true) {
    const open = text.indexOf('"', at);
    if (MAY_CHANGE.test(open < 0 ? text.slice(at) : text.slice(at, open))) return true;
    if (open < 0) return false;
    let close = text.indexOf('"', open + 1);
    while (close > 0 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
    // No JSON, which parsing it will say.
    if (close < 0) return false;
    at = close + 1;
  }
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
  return backslashes % 2 === 1;
}

function isExact(source: string, value: number): boolean {
  if (source.length > NUMBER_MAX_CHARACTERS || !Number.isFinite(value)) return false;
  const sent = normalNumber(source);
  if (normalNumber(String(value)) === sent) return true;
  return !Number.isInteger(value) && normalNumber(value.toPrecision(DOUBLE_MAX_DIGITS)) === sent;
}

/** One form for all ways to write a number: `-0.10e3` and `-100` are `-1e2`. */
function normalNumber(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = `${whole}${fraction}`.replace(/^(-?)0+/, '$1');
  const significant = digits.replace(/0+$/, '');
  if (significant === '' || significant === '-') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${significant}e${power}`;
}
