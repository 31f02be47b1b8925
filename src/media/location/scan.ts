import type { Edit } from '../inspector.ts';
import type { ByteSource } from './byte-source.ts';

/** What a walk over a container tells; nothing is decoded for it. */
export type Scan = {
  /** They free the file of location data; in order of offset, none overlaps another. */
  edits: Edit[];
  /** Frames by the container's own count, where libvips may see fewer. */
  frames: number;
  /** Where the image ends; what follows it is searched on its own. */
  end: number;
  /** The file lacks its end. The decode shows whether pixels are missing as well. */
  unended?: Unended;
  /** Where browsers draw the frames, and how far these reach, where libvips may see other sizes. */
  canvas?: Size;
  reach?: Size;
};

export type Size = { width: number; height: number };

export type Unended = {
  /** Where the data of the picture ends at the latest. */
  at: number;
  /** What would have to follow there. */
  tail: Uint8Array;
  /** Why the file has no end: goes on from "The image is cut short:". */
  why: string;
};

/** Throws MalformedError for a file that cannot be walked through its picture. */
export type Scanner = (source: ByteSource) => Scan;

/** A larger block of metadata is not read: it cannot be proven free, so it counts as holding. */
export const METADATA_MAX_BYTES = 1024 * 1024;

export const NOTHING = new Uint8Array(0);
