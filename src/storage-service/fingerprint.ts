import { hash } from 'node:crypto';
import type { Command } from './catalog/catalog.ts';

/** The file name is no part of it: the same bytes and fields are the same request. */
export function fingerprint(command: Command): string {
  const payload = 'content' in command ? { ...command, content: command.content.sha256 } : command;
  return hash('sha256', JSON.stringify(sortedKeys(payload)), 'hex');
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sortedKeys(inner)]);
}
