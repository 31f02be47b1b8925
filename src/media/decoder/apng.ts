import { createReadStream } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflate } from 'node:zlib';
import { ByteSource, CutShortError, MalformedError } from '../location/byte-source.ts';
import { type Chunk, pngChunks } from '../location/containers/png.ts';
import type { Size } from '../location/scan.ts';

/**
 * libvips decodes the default image of an APNG alone, so the other frames are proven here: each
 * lies within the canvas and inflates to exactly the bytes of its pixels (PNG Third Edition,
 * §11.3.6). Their filters cannot fail.
 */

/** Samples of a pixel by colour type. */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** First column, first row, and steps of the seven passes of Adam7 (§8.1). */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

type Canvas = { width: number; height: number; pixelBits: number; interlaced: boolean };
type Frame = { width: number; height: number; data: Chunk[] };

/** Throws MalformedError, or zlib's error, for a frame that cannot be read. */
export async function checkApngFrames(path: string): Promise<void> {
  const source = new ByteSource(path);
  try {
    const canvas = canvasOf(source);
    let frame: Frame | null = null;
    for (const chunk of pngChunks(source)) {
      if (chunk.type === 'fdAT') frame?.data.push(chunk);
      if (chunk.type !== 'fcTL' && chunk.type !== 'IEND') continue;
      // The first frame may be the default image: then it has no fdAT.
      if (frame && frame.data.length > 0) await checkFrame(path, canvas, frame);
      if (chunk.type === 'fcTL') frame = frameOf(source, canvas, chunk);
      else frame = null;
    }
    // A file without its end.
    if (frame && frame.data.length > 0) await checkFrame(path, canvas, frame);
  } finally {
    source.close();
  }
}

export function canvasOf(source: ByteSource): Canvas {
  const header = source.read(16, 13);
  const channels = CHANNELS[header[9]!];
  if (!channels) throw new MalformedError('its colour type does not exist');
  return {
    width: header.readUInt32BE(0),
    height: header.readUInt32BE(4),
    pixelBits: channels * header[8]!,
    interlaced: header[12] === 1,
  };
}

function frameOf(source: ByteSource, canvas: Canvas, control: Chunk): Frame {
  if (control.length < 20) throw new MalformedError('a frame control chunk is too short');
  const fields = source.read(control.offset, 20);
  const width = fields.readUInt32BE(4);
  const height = fields.readUInt32BE(8);
  const fits =
    width > 0 &&
    height > 0 &&
    fields.readUInt32BE(12) + width <= canvas.width &&
    fields.readUInt32BE(16) + height <= canvas.height;
  if (!fits) throw new MalformedError('a frame reaches beyond the canvas');
  return { width, height, data: [] };
}

async function checkFrame(path: string, canvas: Canvas, frame: Frame): Promise<void> {
  const expected = rawBytes(canvas, frame);
  let inflated = 0;
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      inflated += chunk.length;
      done(inflated > expected ? new MalformedError('a frame holds too many bytes') : null);
    },
  });
  await pipeline(Readable.from(compressed(path, frame.data)), createInflate(), count);
  if (inflated < expected) throw new CutShortError('pixels of a frame are missing');
}

async function* compressed(path: string, chunks: Chunk[]): AsyncGenerator<Buffer> {
  for (const { offset, length } of chunks) {
    // The data stands behind a sequence number.
    if (length > 4) yield* createReadStream(path, { start: offset + 4, end: offset + length - 1 });
  }
}

/** Of the pixels before compression: each line of each pass begins with its filter. */
export function rawBytes({ pixelBits, interlaced }: Canvas, { width, height }: Size): number {
  const lines = (columns: number, rows: number) =>
    columns > 0 ? rows * (1 + Math.ceil((columns * pixelBits) / 8)) : 0;
  if (!interlaced) return lines(width, height);
  return ADAM7.reduce((sum, [column, row, columnStep, rowStep]) => {
    const columns = Math.ceil((width - column) / columnStep);
    return sum + lines(columns, Math.max(0, Math.ceil((height - row) / rowStep)));
  }, 0);
}
