declare const written: unique symbol;

/** The JSON text of a T: written once, where it was read, and passed on as it is. */
export type Json<T> = string & { readonly [written]: T };

export function toJson<T>(value: T): Json<T> {
  return JSON.stringify(value) as Json<T>;
}

export function fromJson<T>(text: Json<T>): T {
  return JSON.parse(text);
}
