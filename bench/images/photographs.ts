import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { randomFrom } from '../catalog/generated-images.ts';

/** Baseline JPEGs as cameras make them: soft colours under noise, so large for their pixels. */

const CHANNELS = 3;
/** Halvings of the span of qualities, tried on a strip of the picture. */
const QUALITY_TRIES = 6;
const STRIP_SHARE = 1 / 8;

type Photograph = { width: number; height: number; bytes: number; seed: number };

/** The quality is chosen so that the file comes near `bytes`. */
export async function photograph({ width, height, bytes, seed }: Photograph): Promise<Buffer> {
  const pixels = await noisyGradient(width, height, seed);
  const encode = (rows: number, quality: number) => {
    const raw = { width, height: rows, channels: CHANNELS } as const;
    const strip = pixels.subarray(0, width * rows * CHANNELS);
    return sharp(strip, { raw }).jpeg({ quality, progressive: false }).toBuffer();
  };
  const rows = Math.ceil(height * STRIP_SHARE);
  let [low, high] = [1, 100];
  for (let attempt = 0; attempt < QUALITY_TRIES; attempt++) {
    const quality = Math.round((low + high) / 2);
    const strip = await encode(rows, quality);
    if (strip.length < (bytes * rows) / height) low = quality;
    else high = quality;
  }
  return encode(height, low);
}

/** The same picture, other bytes: a comment of its own behind the start of the file. */
export function distinct(jpeg: Buffer): Buffer[] {
  const comment = Buffer.from(randomUUID());
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, comment.length + 2]);
  return [head, comment, jpeg.subarray(2)];
}

async function noisyGradient(width: number, height: number, seed: number): Promise<Buffer> {
  const random = randomFrom(seed);
  const [columns, rows] = [16, 12];
  const colours = Buffer.from(
    Array.from({ length: columns * rows * CHANNELS }, () => 64 + random() * 128),
  );
  const noise = { type: 'gaussian', mean: 128, sigma: 24 } as const;
  const create = { width, height, channels: CHANNELS, background: '#808080', noise } as const;
  const grain = await sharp({ create, limitInputPixels: false }).raw().toBuffer();
  const raw = { width, height, channels: CHANNELS } as const;
  return sharp(colours, { raw: { width: columns, height: rows, channels: CHANNELS } })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .composite([{ input: grain, raw, blend: 'overlay' }])
    .removeAlpha()
    .raw()
    .toBuffer();
}
