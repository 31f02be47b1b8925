import { posix } from 'node:path';
import type { Source } from './source.ts';

/** What makes the tree easy to find one's way in. */

const FILE_MAX_LINES = 300;
/** Words that say nothing about what is inside. */
const EMPTY_WORDS = /^(managers?|helpers?|utils?|commons?|bases?|repositor(y|ies))$/;
const KEBAB_CASE = /^[a-z0-9]+([.-][a-z0-9]+)*$/;
/** As many as one takes in at a glance. */
const FOLDER_MAX_ENTRIES = 7;

export function houseFaults(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const names = path.split('/');
    const words = names.flatMap((name) => name.split(/[.-]/));
    const lines = text.split('\n').length - 1;
    const faults: string[] = [];
    if (lines > FILE_MAX_LINES) faults.push(`has ${lines} lines; up to ${FILE_MAX_LINES} is well`);
    const empty = words.find((word) => EMPTY_WORDS.test(word));
    if (empty) faults.push(`"${empty}" says nothing in a name; name it for what it holds`);
    if (!names.every((name) => KEBAB_CASE.test(name))) faults.push('names are-written-like-this');
    return faults.map((message) => `${path}:1: ${message}`);
  });
}

/** Advice, not faults. */
export function crowdedFolders(sources: readonly Source[]): string[] {
  const entries = new Map<string, Set<string>>();
  for (const { path } of sources) {
    for (let name = path; name.includes('/'); name = posix.dirname(name)) {
      const folder = posix.dirname(name);
      if (!entries.has(folder)) entries.set(folder, new Set());
      entries.get(folder)?.add(name);
    }
  }
  return [...entries]
    .filter(([, { size }]) => size > FOLDER_MAX_ENTRIES)
    .map(([folder, { size }]) => `${folder}/ has ${size} entries; ${FOLDER_MAX_ENTRIES} is well`);
}
