import { FILENAME_MAX_CHARACTERS } from './limits.ts';

// Controls, halves of surrogate pairs, and marks that turn the direction of what follows: a name
// such as "gnp.exe" must not show as "exe.png" (Unicode TR 36).
const HARMFUL = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The last segment of a name that a client sent, without what would harm a header or a reader. */
export function safeFilename(sent: string | null | undefined): string | null {
  const segment = (sent ?? '').split(/[/\\]/).at(-1) ?? '';
  const clean = segment.replace(HARMFUL, '').trim();
  const short = [...clean].slice(0, FILENAME_MAX_CHARACTERS).join('');
  return short === '' || short === '.' || short === '..' ? null : short;
}
