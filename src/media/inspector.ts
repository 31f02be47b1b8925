/** What bytes say about themselves. It belongs to the bytes: equal bytes, equal facts. */
export type ImageFacts = {
  media_type: string;
  /** Pixels as displayed: the EXIF orientation is applied. */
  width: number;
  height: number;
  /** Frames of an animation, else 1. */
  pages: number;
  /** A ThumbHash in base64. */
  placeholder: string;
  /** Up to five colours, `#rrggbb`, the most prominent first. */
  palette: string[];
};

/** A stretch of the file to leave out, and what takes its place. */
export type Edit = { offset: number; length: number; replacement: Uint8Array };

export interface Inspector {
  /**
   * Reads a file of one image: facts from its header, one whole decode that proves it readable,
   * and the edits that free it of location data (none: it holds none).
   * Throws unsupported_media_type, image_unreadable, image_too_large, too_many_frames; overloaded
   * or deadline_exceeded when it had no turn in time.
   */
  inspect(
    path: string,
    call: { signal: AbortSignal; deadline: number },
  ): Promise<{ facts: ImageFacts; edits: Edit[] }>;

  /** A file will come soon: what takes time to start may start. Costs nothing when it has. */
  prepare?(): void;

  close(): Promise<void>;
}
