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
};

/** Throws MalformedError for a file that cannot be walked to the end of its image. */
export type Scanner = (source: ByteSource) => Scan;

/** A larger block of metadata is not read: it cannot be proven free, so it counts as holding. */
export const METADATA_MAX_BYTES = 1024 * 1024;

export const NOTHING = new Uint8Array(0);
