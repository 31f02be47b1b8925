import { type ByteSource, CutShortError, MalformedError } from '../byte-source.ts';

/** Boxes of ISO/IEC 14496-12, §4.2: a 32-bit size, a type, if the size is 1 a 64-bit one. */

export type Box = {
  type: string;
  offset: number;
  /** Of what the box holds. */
  start: number;
  end: number;
};

const HEADER_BYTES = 8;

/** The boxes between two offsets; each takes at least its header, so the walk ends. */
export function* boxesOf(source: ByteSource, start: number, end: number): Generator<Box> {
  for (let at = start; at + HEADER_BYTES <= end; ) {
    const type = source.read(at + 4, 4).toString('latin1');
    let size = source.read(at, 4).readUInt32BE();
    let header = HEADER_BYTES;
    if (size === 1) {
      size = Number(source.read(at + 8, 8).readBigUInt64BE());
      header = 16;
    } else if (size === 0) {
      // Up to the end of the file, so only outside of any other box.
      if (end !== source.size) throw new MalformedError(`its box ${nameOf(type)} has no size`);
      size = end - at;
    }
    if (at + size > end && end === source.size) {
      throw new CutShortError(`its box ${nameOf(type)} needs ${at + size - end} bytes more`);
    }
    if (size < header || at + size > end) {
      throw new MalformedError(`the size of its box ${nameOf(type)} is wrong`);
    }
    yield { type, offset: at, start: at + header, end: at + size };
    at += size;
  }
}

export function childOf(source: ByteSource, parent: Box, type: string): Box | undefined {
  for (const box of boxesOf(source, parent.start, parent.end)) {
    if (box.type === type) return box;
  }
}

/** A type as it may be shown. */
function nameOf(type: string): string {
  return /^[\x20-\x7e]{4}$/.test(type) ? JSON.stringify(type) : 'of no known type';
}
