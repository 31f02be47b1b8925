/**
 * The schema of an answer as a document shows it: answers may get further members, so that a client
 * must not refuse those that it does not know.
 */
export function openSchema<T>(schema: T): T {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(openSchema) as T;
  const members = Object.entries(schema).filter(
    ([name, value]) => name !== 'additionalProperties' || value !== false,
  );
  return Object.fromEntries(members.map(([name, value]) => [name, openSchema(value)])) as T;
}
