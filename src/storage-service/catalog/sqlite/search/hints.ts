import type { FieldError } from '../../../../contract/errors.ts';
import type { ImageFilter } from '../../../../contract/image.ts';
import type { Vocabulary } from './vocabulary.ts';
import { queryTerms } from './words.ts';

/** Unknown themes of one filter that are told of; each is compared with the whole vocabulary. */
const THEMES_MAX = 3;

/** What a page tells beside its images: why the filter did not do what was probably meant. */
export function hintsOf(
  filter: ImageFilter,
  vocabulary: Vocabulary,
  isEmpty: boolean,
): FieldError[] {
  const { q, theme, cursor } = filter;
  const hints: FieldError[] = [];
  if (isEmpty && theme && cursor === undefined) {
    const unknown = theme.filter((name) => vocabulary.familyOf(name).length === 0);
    for (const name of unknown.slice(0, THEMES_MAX)) {
      const meant = vocabulary.closestTo(name);
      const question = meant === undefined ? '' : ` Did you mean ${JSON.stringify(meant)}?`;
      hints.push({ field: 'theme', message: `No theme ${JSON.stringify(name)}.${question}` });
    }
  }
  if (q !== undefined && !holdsWord(q)) {
    const message = `${JSON.stringify(q)} holds no word to search for; the list is not searched.`;
    hints.push({ field: 'q', message });
  }
  return hints;
}

function holdsWord(q: string): boolean {
  return /[a-z0-9]/i.test(q) || queryTerms(q).length > 0;
}
