import sharp from 'sharp';
import { ServiceError } from '../../contract/errors.ts';
import {
  IMAGE_MAX_FRAMES,
  IMAGE_MAX_PIXELS,
  IMAGE_MAX_SIDE_PIXELS,
} from '../../contract/limits.ts';
import { FORMAT_TABLE, formatOf, HEAD_BYTES, unsupportedFormat } from '../formats.ts';
import { ByteSource, MalformedError } from '../location/byte-source.ts';
import type { Header, Steps } from './protocol.ts';

/** Facts and edits by the header and the container alone; no pixel is decoded. */
export async function readHeader({
  path,
}: Steps['header']['ask']): Promise<Steps['header']['answer']> {
  const source = new ByteSource(path);
  try {
    const format = formatOf(source.read(0, Math.min(HEAD_BYTES, source.size)));
    if (!format) throw unsupportedFormat();
    const { vips, scan } = FORMAT_TABLE[format];
    // The limits are ours to check: sharp's error would not tell which.
    const seen = await sharp(path, { limitInputPixels: false }).metadata();
    if (seen.format !== vips.format) throw new MalformedError(`libvips sees ${seen.format}`);
    const { width, height } = seen.autoOrient;
    const header: Header = {
      format,
      width,
      height,
      // Of AVIF these are further images, and only the first is shown.
      frames: format === 'avif' ? 1 : (seen.pages ?? 1),
      orientation: seen.orientation ?? 1,
    };
    checkLimits(header);
    const { edits, frames } = scan(source);
    checkLimits({ ...header, frames: Math.max(frames, header.frames) });
    // libvips sees one frame of an APNG; of the others it decodes as many as it sees.
    if (format === 'png') header.frames = frames;
    return { header, edits };
  } finally {
    source.close();
  }
}

function checkLimits({ width, height, frames }: Header): void {
  if (frames > IMAGE_MAX_FRAMES) {
    throw new ServiceError(
      'too_many_frames',
      `The animation has ${frames} frames; at most ${IMAGE_MAX_FRAMES} are taken.`,
    );
  }
  if (Math.max(width, height) > IMAGE_MAX_SIDE_PIXELS) {
    throw new ServiceError(
      'image_too_large',
      `The image is ${width} × ${height} pixels; a side may have at most ${IMAGE_MAX_SIDE_PIXELS}.`,
    );
  }
  const pixels = width * height * frames;
  if (pixels > IMAGE_MAX_PIXELS) {
    const size = frames > 1 ? `${width} × ${height} × ${frames} frames` : `${width} × ${height}`;
    throw new ServiceError(
      'image_too_large',
      `The image has ${pixels} pixels (${size}); at most ${IMAGE_MAX_PIXELS} are taken.`,
    );
  }
}
