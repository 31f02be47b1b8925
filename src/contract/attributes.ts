import { invalid } from './errors.ts';
import { ATTRIBUTES_MAX_BYTES } from './limits.ts';

/** The fields as they are. Throws invalid_request when their attributes are too large together. */
export function requireAttributesWithinSize<T extends { attributes?: unknown }>(fields: T): T {
  const { attributes } = fields;
  const bytes = attributes ? new TextEncoder().encode(JSON.stringify(attributes)).length : 0;
  if (bytes <= ATTRIBUTES_MAX_BYTES) return fields;
  throw invalid([
    { field: 'attributes', message: `must be up to ${ATTRIBUTES_MAX_BYTES} bytes as JSON` },
  ]);
}
