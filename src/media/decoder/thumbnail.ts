import sharp from 'sharp';
import { rgbaToThumbHash } from 'thumbhash';
import { IMAGE_MAX_PIXELS } from '../../contract/limits.ts';
import { checkApngFrames } from './apng.ts';
import { inputOf } from './input.ts';
import { paletteOf } from './palette.ts';
import type { Header, Look, Steps } from './protocol.ts';

/** What ThumbHash takes at most, and enough to count colours. */
const THUMBNAIL_SIDE_PIXELS = 100;

type Thumbnail = { width: number; height: number; rgba: Buffer };

/** The one decode: that it succeeds proves the image readable, and its result is looked at. */
export async function lookAt({ path, header }: Steps['decode']['ask']): Promise<Look> {
  const { width, height, rgba } = await decode(path, header);
  const hash = rgbaToThumbHash(width, height, rgba);
  return { placeholder: Buffer.from(hash).toString('base64'), palette: paletteOf(rgba) };
}

async function decode(path: string, { format, frames, orientation }: Header): Promise<Thumbnail> {
  const input = inputOf(path, format);
  // The frames of an animated AVIF are seen by browsers alone.
  if (frames === 1 || format === 'avif') return shrink(input, 1);
  if (format === 'png') {
    await checkApngFrames(path);
    return shrink(input, 1);
  }
  const roll = await shrink(input, -1);
  // sharp cannot turn the frames of an animation, only its first one.
  if (orientation > 1) return shrink(input, 1);
  const height = roll.height / frames;
  return { ...roll, height, rgba: roll.rgba.subarray(0, roll.width * height * 4) };
}

/** Decodes the first page, or all (-1) one below the other. Throws what sharp throws. */
async function shrink(input: string | Buffer, pages: 1 | -1): Promise<Thumbnail> {
  const image = sharp(input, {
    pages,
    // More than this refuses images that every viewer shows.
    failOn: 'truncated',
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
