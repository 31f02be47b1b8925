import sharp from 'sharp';
import { ServiceError } from '../../contract/errors.ts';
import {
  IMAGE_MAX_FRAMES,
  IMAGE_MAX_PIXELS,
  IMAGE_MAX_SIDE_PIXELS,
} from '../../contract/limits.ts';
import {
  FORMAT_TABLE,
  formatOf,
  HEAD_BYTES,
  unsupportedFormat,
  unsupportedMedia,
} from '../formats.ts';
import { ByteSource, MalformedError } from '../location/byte-source.ts';
import { hasStillImage, type Sequence, sequenceOf } from './avif-sequence.ts';
import { inputOf } from './input.ts';
import type { Header, Steps } from './protocol.ts';

/** Facts and edits by the header and the container alone; no pixel is decoded. */
export async function readHeader({
  path,
}: Steps['header']['ask']): Promise<Steps['header']['answer']> {
  const source = new ByteSource(path);
  try {
    const head = source.read(0, Math.min(HEAD_BYTES, source.size));
    const format = formatOf(head);
    if (!format) throw unsupportedFormat(head);
    const { vips, scan } = FORMAT_TABLE[format];
    const animation = format === 'avif' ? sequenceOf(source) : null;
    if (animation && !hasStillImage(source)) throw animationAlone();
    if (animation) checkLimits(animation);
    const scanned = scan(source);
    const { canvas, reach, unended } = scanned;
    for (const size of [canvas, reach]) if (size) checkLimits({ ...size, frames: scanned.frames });
    // The limits are ours to check: sharp's error would not tell which.
    const input = inputOf(path, { format, unended });
    const seen = await sharp(input, { limitInputPixels: false }).metadata();
    if (seen.format !== vips.format) {
      throw new MalformedError(`its content is of the format ${seen.format}`);
    }
    const { width, height } = seen.autoOrient;
    // Of AVIF the pages are further still images, and only the first is shown.
    const pages = format === 'avif' ? 1 : (seen.pages ?? 1);
    checkLimits({ width, height, frames: Math.max(scanned.frames, pages) });
    const header: Header = {
      format,
      ...(canvas ?? { width, height }),
      // libvips sees one frame of an APNG; of the others it decodes as many as it sees.
      frames: format === 'png' ? scanned.frames : pages,
      orientation: seen.orientation ?? 1,
      ...(unended && { unended }),
      ...animation,
    };
    return { header, edits: scanned.edits };
  } finally {
    source.close();
  }
}

function animationAlone(): ServiceError {
  return unsupportedMedia(
    'An animated AVIF without a still image in it is not supported. Export it with a still image, or as WebP, GIF or APNG.',
  );
}

function checkLimits({ width, height, frames }: Sequence): void {
  if (frames > IMAGE_MAX_FRAMES) {
    throw new ServiceError(
      'too_many_frames',
      `The animation has ${frames} frames; at most ${IMAGE_MAX_FRAMES} are allowed.`,
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
      `The image has ${pixels} pixels (${size}); at most ${IMAGE_MAX_PIXELS} are allowed.`,
    );
  }
}
