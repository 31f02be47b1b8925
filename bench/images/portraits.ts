import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { pngChunk, withChunks } from '../../test/fixtures/images.ts';
import { randomFrom } from '../catalog/generated-images.ts';

/** PNGs such as painted portraits are: soft colours, some grain, cut out of what is behind them. */

const WIDTH = 500;
const HEIGHT = 600;
/** Different pictures; further files have other bytes and decode alike. */
const PICTURES = 24;

/** Writes so many different files into `folder`, in sub-folders as a collection has them. */
export async function makePortraits(folder: string, count: number): Promise<void> {
  const pictures = await Promise.all(Array.from({ length: PICTURES }, (_, seed) => portrait(seed)));
  for (const kind of ['elves', 'dwarves', 'humans']) await mkdir(join(folder, kind));
  for (let index = 0; index < count; index++) {
    const kind = ['elves', 'dwarves', 'humans'][index % 3]!;
    const comment = pngChunk('tEXt', Buffer.from(`Comment\0portrait ${index}`));
    const png = withChunks(pictures[index % PICTURES]!, comment);
    await writeFile(join(folder, kind, `portrait-${index}.png`), png);
  }
}

function portrait(seed: number): Promise<Buffer> {
  const random = randomFrom(seed);
  const [columns, rows] = [10, 12];
  const colours = Array.from({ length: columns * rows }, (_, cell) => {
    const inside = Math.hypot((cell % columns) - 4.5, Math.floor(cell / columns) - 6) < 5;
    return [random() * 255, random() * 255, random() * 255, inside ? 255 : 0];
  });
  const raw = { width: columns, height: rows, channels: 4 } as const;
  const noise = { type: 'gaussian', mean: 128, sigma: 4 } as const;
  const create = {
    width: WIDTH,
    height: HEIGHT,
    channels: 3,
    background: '#808080',
    noise,
  } as const;
  return sharp(Buffer.from(colours.flat()), { raw })
    .resize(WIDTH, HEIGHT, { fit: 'fill', kernel: 'cubic' })
    .composite([{ input: { create }, blend: 'overlay' }])
    .png()
    .toBuffer();
}
