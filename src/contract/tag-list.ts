import { parseJson } from './json.ts';

/** A bracket beside a quote; a bracket alone may be part of a tag. */
const PIECE_OF_JSON = /^[[{]\s*"|"\s*[\]}]$/;

/**
 * The tags that one text lists: separated by commas, or as a JSON array, or each in quotes, as shells
 * and spreadsheets write them. Undefined for pieces of JSON.
 */
export function tagsInText(text: string): unknown {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) {
    const list = parsed(trimmed);
    return Array.isArray(list) ? list : undefined;
  }
  const quoted = trimmed.startsWith('"') ? parsed(`[${trimmed}]`) : undefined;
  if (quoted) return quoted;
  const tags = text.split(',').map((tag) => tag.trim());
  return tags.some((tag) => PIECE_OF_JSON.test(tag)) ? undefined : tags;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
