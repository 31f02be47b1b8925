import { parseJson } from './json.ts';

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
  return quoted ?? text.split(',').map((tag) => tag.trim());
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
