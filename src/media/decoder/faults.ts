import { ServiceError } from '../../contract/errors.ts';
import { unsupportedMedia } from '../formats.ts';
import { CutShortError, MalformedError, UnsupportedVariantError } from '../location/byte-source.ts';

/** What is wrong with a file that cannot be read, as its sender is told. */

const WHOLE = 'Send the whole file.';
const VIEWER = 'Send a file that opens in a viewer.';

/** Texts of libvips, its codecs and zlib, and what they mean; the first that matches counts. */
const MEANINGS: readonly { says: RegExp; kind: 'cut' | 'damaged' | 'unsupported'; text: string }[] =
  [
    {
      says: /unsupported (codec|feature|color|image type|bit)|no decoding plugin|decoder plugin/i,
      kind: 'unsupported',
      text: 'This variant of the format is not supported. Export the image as PNG, JPEG or WebP.',
    },
    {
      says: /\bCRC\b|checksum|incorrect data check/i,
      kind: 'damaged',
      text: 'a checksum is wrong',
    },
    {
      says: /premature end|unexpected end|end of (file|data|gif)|too (short|little)|truncat|Z_BUF_ERROR/i,
      kind: 'cut',
      text: 'a part of the picture is missing',
    },
    {
      says: /pixel limit|too (large|big)|image dimensions|out of memory/i,
      kind: 'damaged',
      text: 'a size in its header is impossible',
    },
  ];

/** What sharp, zlib and the scanners throw is about the image; a failed system call is not. */
export function faultOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof Error && 'syscall' in error) {
    return new ServiceError('internal', 'The image could not be inspected.');
  }
  if (error instanceof UnsupportedVariantError) return unsupportedMedia(error.message);
  if (error instanceof CutShortError) return unreadable(`cut short: ${error.message}`, WHOLE);
  if (error instanceof MalformedError) return unreadable(`damaged: ${error.message}`, VIEWER);
  const said = `${error} ${Object(error).code ?? ''}`;
  const meaning = MEANINGS.find(({ says }) => says.test(said));
  if (!meaning) return unreadable('damaged: its picture data cannot be decoded', VIEWER);
  if (meaning.kind === 'unsupported') return unsupportedMedia(meaning.text);
  if (meaning.kind === 'cut') return unreadable(`cut short: ${meaning.text}`, WHOLE);
  return unreadable(`damaged: ${meaning.text}`, VIEWER);
}

function unreadable(what: string, advice: string): ServiceError {
  return new ServiceError('image_unreadable', `The image is ${what}. ${advice}`);
}
