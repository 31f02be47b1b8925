import type { ErrorData } from '../../contract/errors.ts';
import type { Format } from '../../contract/formats.ts';
import type { Edit } from '../inspector.ts';
import type { Unended } from '../location/scan.ts';

/** What the service and its decoder process say to each other; the process keeps nothing. */

export type Header = {
  format: Format;
  /** Pixels as displayed. */
  width: number;
  height: number;
  /** Frames of an animation, else 1. */
  frames: number;
  /** EXIF orientation, 1–8, that width and height already follow. */
  orientation: number;
  /** The file lacks its end, and the decode has to show whether pixels are missing too. */
  unended?: Unended;
};

export type Look = { placeholder: string; palette: string[] };

/** Each step of an inspection: its arguments and its result. */
export type Steps = {
  /** Costs no pixels: what the decode will cost is known only after it. */
  header: { ask: { path: string }; answer: { header: Header; edits: Edit[] } };
  decode: { ask: { path: string; header: Header }; answer: Look };
};

export type Step = keyof Steps;
export type Ask = { [S in Step]: { id: number; step: S } & Steps[S]['ask'] }[Step];
export type Answer =
  | { id: number; value: Steps[Step]['answer'] }
  /** `reason` is for the log. */
  | { id: number; error: ErrorData; reason: string };
/** What the process sends: first that it can be asked, then its answers. */
export type Message = { ready: true } | Answer;
