import type { ByteSource } from '../location/byte-source.ts';
import { MalformedError } from '../location/byte-source.ts';
import { type Box, boxesOf, childOf } from '../location/containers/boxes.ts';

/**
 * An animated AVIF (AV1 Image File Format, §4) is a still image and, beside it, a track of frames as in a
 * movie. Browsers play the track; libvips decodes the still image alone. So what a browser shows
 * is read from the track here.
 */

export type Sequence = { width: number; height: number; frames: number };

const FULL_BOX_BYTES = 4;
/** A sample entry begins with as many bytes in front of its width and height. */
const SAMPLE_ENTRY_SIZE_AT = 32;
/** More chunks or samples than any image may have frames are not walked. */
const TABLE_MAX_ENTRIES = 65_536;

/** The track that browsers play; null: none, so they show the still image. */
export function sequenceOf(source: ByteSource): Sequence | null {
  // Of a file with another major brand they show the still image, whatever else there is.
  if (source.read(8, 4).toString('latin1') !== 'avis') return null;
  for (const movie of boxesOf(source, 0, source.size)) {
    if (movie.type !== 'moov') continue;
    for (const track of boxesOf(source, movie.start, movie.end)) {
      const sequence = track.type === 'trak' ? pictures(source, track) : null;
      if (sequence) return sequence;
    }
  }
  return null;
}

export function hasStillImage(source: ByteSource): boolean {
  return [...boxesOf(source, 0, source.size)].some(({ type }) => type === 'meta');
}

function pictures(source: ByteSource, track: Box): Sequence | null {
  const references = childOf(source, track, 'tref');
  // The track of transparency belongs to another one.
  if (references && childOf(source, references, 'auxl')) return null;
  const table = descend(source, track, 'mdia', 'minf', 'stbl');
  const description = table && childOf(source, table, 'stsd');
  if (!table || !description) return null;
  const entry = [...boxesOf(source, description.start + 8, description.end)][0];
  if (entry?.type !== 'av01') return null;
  const size = source.read(entry.offset + SAMPLE_ENTRY_SIZE_AT, 4);
  const [width, height] = [size.readUInt16BE(0), size.readUInt16BE(2)];
  const frames = checkSamples(source, table);
  if (width === 0 || height === 0 || frames === 0) {
    throw new MalformedError('its animation has no frames or no size');
  }
  return { width, height, frames };
}

/** How many samples there are, each of which lies within the file. */
function checkSamples(source: ByteSource, table: Box): number {
  const sizes = childOf(source, table, 'stsz');
  const runs = childOf(source, table, 'stsc');
  const offsets = childOf(source, table, 'stco') ?? childOf(source, table, 'co64');
  if (!sizes || !runs || !offsets) throw new MalformedError('its animation has no table of frames');
  const fixed = source.read(sizes.start + FULL_BOX_BYTES, 4).readUInt32BE();
  const frames = source.read(sizes.start + FULL_BOX_BYTES + 4, 4).readUInt32BE();
  const chunks = source.read(offsets.start + FULL_BOX_BYTES, 4).readUInt32BE();
  const runCount = source.read(runs.start + FULL_BOX_BYTES, 4).readUInt32BE();
  // The limit on frames refuses these.
  if (frames > TABLE_MAX_ENTRIES) return frames;
  if (chunks > TABLE_MAX_ENTRIES || runCount > TABLE_MAX_ENTRIES) {
    throw new MalformedError('its table of frames is too long');
  }
  let sample = 0;
  let perChunk = 0;
  for (let chunk = 0, run = 0; chunk < chunks; chunk += 1) {
    const runAt = runs.start + FULL_BOX_BYTES + 4 + run * 12;
    if (run < runCount && source.read(runAt, 4).readUInt32BE() === chunk + 1) {
      perChunk = source.read(runAt + 4, 4).readUInt32BE();
      run += 1;
    }
    let at = chunkOffset(source, offsets, chunk);
    for (let n = 0; n < perChunk && sample < frames; n += 1, sample += 1) {
      const sizeAt = sizes.start + FULL_BOX_BYTES + 8 + sample * 4;
      const bytes = fixed || source.read(sizeAt, 4).readUInt32BE();
      if (bytes === 0) throw new MalformedError(`frame ${sample + 1} of its animation is empty`);
      at += bytes;
      if (at > source.size)
        throw new MalformedError(`frame ${sample + 1} of its animation is missing`);
    }
  }
  if (sample < frames) throw new MalformedError(`frame ${sample + 1} of its animation is missing`);
  return frames;
}

function chunkOffset(source: ByteSource, { type, start }: Box, chunk: number): number {
  const first = start + FULL_BOX_BYTES + 4;
  if (type === 'stco') return source.read(first + chunk * 4, 4).readUInt32BE();
  return Number(source.read(first + chunk * 8, 8).readBigUInt64BE());
}

function descend(source: ByteSource, box: Box, ...path: string[]): Box | undefined {
  let found: Box | undefined = box;
  for (const type of path) found = found && childOf(source, found, type);
  return found;
}
