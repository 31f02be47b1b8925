import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import type { Scanner } from '../scan.ts';
import { bareBlockEdits } from './bare-blocks.ts';
import { furtherImageEdits } from './jpeg.ts';
import { boxAt, boxEdits, newBudget } from './movie.ts';

/**
 * Bytes behind the end of the image are kept, for example the film of a motion photo or the further
 * images of a Multi-Picture file. Viewers and metadata tools find what stands there by its own
 * marks, whatever image it follows; so does this search. Other data refers to it by offsets, so
 * every edit keeps its length.
 */

/** The boxes at the top of a movie file that may tell a place, with what they hold. */
const MOVIE_BOXES = ['moov', 'moof', 'meta', 'udta', 'uuid'].map((type) => Buffer.from(type));
const TYPE_OFFSET = 4;
/** More than any writer makes, and few enough to keep. */
const EDITS_MAX = 10_000;

/** A scanner that also frees the bytes behind the image. */
export function withTrailer(scan: Scanner): Scanner {
  return (source) => {
    const found = scan(source);
    if (found.end >= source.size) return found;
    return { ...found, edits: [...found.edits, ...trailerEdits(source, found.end)] };
  };
}

/** The edits from `start` to `end`; in order of offset, none overlaps another. */
export function trailerEdits(source: ByteSource, start: number, end = source.size): Edit[] {
  const edits = [
    ...furtherImageEdits(source, start, end),
    ...furtherMovieEdits(source, start, end),
    ...bareBlockEdits(source, start, end),
  ];
  if (edits.length > EDITS_MAX) throw new MalformedError('it has too many blocks of location data');
  return merged(edits);
}

/** Each hit is searched on its own: bytes that only look like a box must not hide one. */
function furtherMovieEdits(source: ByteSource, start: number, end: number): Edit[] {
  const edits: Edit[] = [];
  const budget = newBudget();
  for (const type of MOVIE_BOXES) {
    let at = source.indexOf(type, start + TYPE_OFFSET);
    for (; at >= 0 && at < end; at = source.indexOf(type, at + 1)) {
      const box = boxAt(source, at - TYPE_OFFSET, end);
      const found = box ? boxEdits(source, box, budget) : [];
      for (const edit of found) edits.push(edit);
      if (edits.length > EDITS_MAX) break;
    }
  }
  return edits;
}

/** Of edits that overlap, the first one writes the bytes that they share. */
function merged(edits: Edit[]): Edit[] {
  const result: Edit[] = [];
  for (const edit of edits.sort((one, other) => one.offset - other.offset)) {
    const last = result.at(-1);
    const overlap = last ? last.offset + last.length - edit.offset : 0;
    if (overlap <= 0) result.push(edit);
    else if (overlap < edit.length) {
      const replacement = edit.replacement.subarray(overlap);
      result.push({ offset: edit.offset + overlap, length: replacement.length, replacement });
    }
  }
  return result;
}
