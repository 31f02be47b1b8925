import type { Edit } from '../../inspector.ts';
import { type ByteSource, MalformedError } from '../byte-source.ts';
import { photoshopHasLocation } from '../metadata/photoshop.ts';
import { iptcHasLocation, xmpHasLocation } from '../metadata/xmp-iptc.ts';
import { METADATA_MAX_BYTES, NOTHING, type Scan } from '../scan.ts';

/** GIF89a: a header, then blocks up to the trailer, each by its first byte. */

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;
const APPLICATION = 0xff;
const APPLICATION_ID_BYTES = 11;
const COLOUR_TABLE_FLAG = 0x80;

/** What of an application extension is looked at, by its identifier. */
const APPLICATIONS: Record<string, (source: ByteSource, start: number, end: number) => boolean> = {
  // The packet stands bare (XMP, part 3, §1.1.2): its bytes are read as sub-blocks only to skip it.
  'XMP DataXMP': (source, start, end) => xmpHasLocation(source.read(start, end - start)),
  // So ImageMagick keeps IPTC.
  MGK8BIM0000: (source, start, end) => photoshopHasLocation(joined(source, start, end)),
  MGKIPTC0000: (source, start, end) => iptcHasLocation(joined(source, start, end)),
};

/** Strict about what stands between blocks and about the trailer: without them a part is missing. */
export function scanGif(source: ByteSource): Scan {
  const edits: Edit[] = [];
  let frames = 0;
  let at = 13 + colourTableBytes(source.byte(10));
  for (;;) {
    const offset = at;
    const introducer = source.byte(at);
    if (introducer === TRAILER) return { edits, frames, end: at + 1 };
    if (introducer === IMAGE) {
      frames += 1;
      const flags = source.byte(at + 9);
      at = skipSubBlocks(source, at + 11 + colourTableBytes(flags));
    } else if (introducer === EXTENSION) {
      at = skipSubBlocks(source, at + 2);
      if (source.byte(offset + 1) === APPLICATION && holdsLocation(source, offset, at)) {
        edits.push({ offset, length: at - offset, replacement: NOTHING });
      }
    } else {
      throw new MalformedError(`no GIF block begins with the byte ${introducer} at ${offset}`);
    }
  }
}

function holdsLocation(source: ByteSource, offset: number, end: number): boolean {
  if (source.byte(offset + 2) !== APPLICATION_ID_BYTES) return false;
  const start = offset + 3 + APPLICATION_ID_BYTES;
  const id = source.read(offset + 3, APPLICATION_ID_BYTES).toString('latin1');
  const look = APPLICATIONS[id];
  return look !== undefined && (end - start > METADATA_MAX_BYTES || look(source, start, end));
}

function colourTableBytes(flags: number): number {
  return flags & COLOUR_TABLE_FLAG ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

function skipSubBlocks(source: ByteSource, start: number): number {
  let at = start;
  for (let length = source.byte(at); length !== 0; length = source.byte(at)) at += 1 + length;
  return at + 1;
}

function joined(source: ByteSource, start: number, end: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = start; at < end; at += 1 + source.byte(at)) {
    parts.push(source.read(at + 1, source.byte(at)));
  }
  return Buffer.concat(parts);
}
