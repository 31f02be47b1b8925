import sharp from 'sharp';
import { rgbaToThumbHash } from 'thumbhash';
import { IMAGE_MAX_PIXELS } from '../../contract/limits.ts';
import { CutShortError } from '../location/byte-source.ts';
import { checkApngFrames } from './apng.ts';
import { inputOf } from './input.ts';
import { paletteOf } from './palette.ts';
import type { Header, Look, Steps } from './protocol.ts';
import { checkUnended } from './unended.ts';

/** What ThumbHash takes at most, and enough to count colours. */
const THUMBNAIL_SIDE_PIXELS = 100;

type Thumbnail = { width: number; height: number; rgba: Buffer };

/** The one decode: that it succeeds proves the image readable, and its result is looked at. */
export async function lookAt({ path, header }: Steps['decode']['ask']): Promise<Look> {
  const { width, height, rgba } = await decode(path, header);
  const hash = rgbaToThumbHash(width, height, rgba);
  return { placeholder: Buffer.from(hash).toString('base64'), palette: paletteOf(rgba) };
}

async function decode(path: string, header: Header): Promise<Thumbnail> {
  const { format, frames, orientation, unended } = header;
  const input = inputOf(path, header);
  if (unended) await checkUnended[format]?.(path, header, unended);
  if (format === 'jpeg') return shrinkJpeg(input);
  // The frames of an animated AVIF are seen by browsers alone.
  // What such a PNG lacks at its end are checksums: its rows are proven to be there.
  if (format === 'png' && frames === 1) return shrink(input, 1, unended && 'none');
  if (frames === 1 || format === 'avif') return shrink(input, 1);
  if (format === 'png') {
    await checkApngFrames(path);
    return shrink(input, 1, unended && 'none');
  }
  const roll = await shrink(input, -1);
  // sharp cannot turn the frames of an animation, only its first one.
  if (orientation > 1) return shrink(input, 1);
  const height = roll.height / frames;
  return { ...roll, height, rgba: roll.rgba.subarray(0, roll.width * height * 4) };
}

/** libjpeg only warns when it fills in what is missing, and of much else that nobody sees. */
async function shrinkJpeg(input: string | Buffer): Promise<Thumbnail> {
  try {
    return await shrink(input, 1, 'warning');
  } catch (error) {
    if (/premature end of data segment/.test(String(error))) {
      throw new CutShortError('a part of its picture is missing');
    }
    return shrink(input, 1);
  }
}

/**
 * Decodes the first page, or all (-1) one below the other. Throws what sharp throws.
 * @param failOn by default no more than what refuses no image that every viewer shows
 */
async function shrink(
  input: string | Buffer,
  pages: 1 | -1,
  failOn: 'none' | 'truncated' | 'warning' = 'truncated',
): Promise<Thumbnail> {
  const image = sharp(input, {
    pages,
    failOn,
    limitInputPixels: IMAGE_MAX_PIXELS,
    sequentialRead: true,
  });
  if (pages === 1) image.autoOrient();
  const { data, info } = await image
    .resize(THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS, {
      fit: 'inside',
      withoutEnlargement: true,
    })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: data };
}
