/**
 * A block of metadata after the search for a place:
 * - null: it tells no place and stays bit for bit;
 * - bytes: the same block without its place, of the same length;
 * - unclear: it cannot be read or edited with certainty, so it goes as a whole.
 */
export type Cleaning = Buffer | null | 'unclear';
