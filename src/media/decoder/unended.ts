import { createReadStream } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createInflate } from 'node:zlib';
import sharp from 'sharp';
import type { Format } from '../../contract/formats.ts';
import { ByteSource, CutShortError, MalformedError } from '../location/byte-source.ts';
import { pngChunks } from '../location/containers/png.ts';
import type { Unended } from '../location/scan.ts';
import { canvasOf, rawBytes } from './apng.ts';
import { missingPixels } from './gif-pixels.ts';
import { withEnd } from './input.ts';
import { scansAreComplete } from './jpeg-scans.ts';
import type { Header } from './protocol.ts';

/**
 * Files that lack their end: viewers and browsers show them, whole if no pixel is missing. Each check
 * throws CutShortError when one is. (WebP has no end to lack but a byte of padding, and libwebp
 * refuses the rest; AVIF has none.)
 */

type Check = (path: string, header: Header, unended: Unended) => Promise<void>;

export const checkUnended: Partial<Record<Format, Check>> = {
  jpeg: checkJpeg,
  png: checkPng,
  gif: checkGif,
};

/** More than the decoder reads ahead. */
const FILLER_BYTES = 4_096;
/** The last row of blocks is lower than that at any subsampling. */
const LAST_ROWS = 64;

/**
 * Whether pixels depend on bytes that are not there: those of the last rows are decoded with two
 * continuations of the data. If nothing is missing, both are ignored and the rows are equal.
 */
async function checkJpeg(path: string, _: Header, unended: Unended): Promise<void> {
  const zeros = Buffer.alloc(FILLER_BYTES);
  // Varied, and free of markers.
  const varied = zeros.map((_, at) => (at * 151 + (at >> 3)) % 255);
  const one = await lastRows(withEnd(path, unended, zeros));
  const other = await lastRows(withEnd(path, unended, varied));
  if (!one.equals(other)) throw new CutShortError(unended.why);
  if (!scansAreComplete(withEnd(path, unended))) {
    throw new CutShortError('the last scans of its progressive picture are missing');
  }
}

async function lastRows(jpeg: Buffer): Promise<Buffer> {
  const image = sharp(jpeg, { failOn: 'none', sequentialRead: true, limitInputPixels: false });
  const { width, height } = await image.metadata();
  const top = Math.max(0, height - LAST_ROWS);
  return image
    .extract({ left: 0, top, width, height: height - top })
    .raw()
    .toBuffer();
}

/** Viewers need no checksum at the end of the data, so its rows are counted. */
async function checkPng(path: string, { frames }: Header): Promise<void> {
  const source = new ByteSource(path);
  try {
    const chunks = [...pngChunks(source)].filter(({ type }) => type === 'IDAT');
    const canvas = canvasOf(source);
    const expected = rawBytes(canvas, canvas);
    let inflated = 0;
    const count = new Writable({
      write(chunk: Buffer, _encoding, done) {
        inflated += chunk.length;
        done(inflated > expected ? new MalformedError('it has more pixels than its size') : null);
      },
    });
    const data = Readable.from(bytesOf(path, chunks));
    const inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
    await pipeline(data, inflate, count);
    if (inflated >= expected) return;
    const share = Math.floor((100 * inflated) / expected);
    const what = frames > 1 ? 'first frame' : 'picture';
    throw new CutShortError(`only ${share} % of its ${what} are there`);
  } finally {
    source.close();
  }
}

async function* bytesOf(path: string, chunks: { offset: number; length: number }[]) {
  for (const { offset, length } of chunks) {
    if (length > 0) yield* createReadStream(path, { start: offset, end: offset + length - 1 });
  }
}

async function checkGif(path: string, _: Header, unended: Unended): Promise<void> {
  const missing = missingPixels(withEnd(path, unended));
  if (missing > 0) throw new CutShortError(`${missing} pixels of its last frame are missing`);
}
