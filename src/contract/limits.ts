/** Every bound that a client can meet. The unit is the last word of each name. */

const KiB = 1024;
const MiB = 1024 * KiB;

// Content. A battle map of 10,000 pixels a side fits as a JPEG; the decoder's memory follows pixels.
export const CONTENT_MAX_BYTES = 25 * MiB;
/** Of one image, width × height × frames: what one decode may cost in memory (about 600 MB). */
export const IMAGE_MAX_PIXELS = 150_000_000;
export const IMAGE_MAX_SIDE_PIXELS = 32_768;
export const IMAGE_MAX_FRAMES = 1_000;

// Text, counted in Unicode code points.
export const NAME_MAX_CHARACTERS = 255;
export const DESCRIPTION_MAX_CHARACTERS = 4_000;
/** type, subtype, theme, tag */
export const LABEL_MAX_CHARACTERS = 50;
export const SOURCE_MAX_CHARACTERS = 255;
export const FILENAME_MAX_CHARACTERS = 255;
export const IMAGE_MAX_TAGS = 64;
/** The attributes of one image as JSON in UTF-8. */
export const ATTRIBUTES_MAX_BYTES = 16 * KiB;

// Requests.
export const MULTIPART_MAX_PARTS = 100;
/** One text part: the largest field is the attributes, and a description of 4-byte characters. */
export const MULTIPART_FIELD_MAX_BYTES = 64 * KiB;
/** A JSON body: every field at its largest, escaped. */
export const JSON_BODY_MAX_BYTES = 256 * KiB;
export const IDEMPOTENCY_KEY_MAX_CHARACTERS = 128;
export const REQUEST_ID_MAX_CHARACTERS = 64;

// Lists and searches.
export const PAGE_DEFAULT_ITEMS = 50;
export const PAGE_MAX_ITEMS = 200;
export const SEARCH_MAX_WORDS = 16;
/** One-letter prefixes match nearly everything and mean nothing. */
export const SEARCH_PREFIX_MIN_CHARACTERS = 2;
export const SEARCH_MAX_CHARACTERS = 1_000;
/** Values of one filter, and different attribute filters, in one request. */
export const FILTER_MAX_VALUES = 50;

// Themes. The vocabulary is answered whole and expanded into queries, so it stays small.
export const THEMES_MAX = 2_000;
export const THEME_MAX_DEPTH = 5;
export const THEME_MAX_SYNONYMS = 50;

// Messages. Larger bodies slow every call that shares the broker with them twentyfold.
/** Content inside a message; larger content is sent beside it, over HTTP. */
export const MESSAGE_CONTENT_MAX_BYTES = 256 * KiB;
/** Requests of one service that wait for their answers. */
export const CALLS_IN_FLIGHT_MAX = 1_000;
/** Bodies of those requests together. */
export const CALLS_IN_FLIGHT_MAX_BYTES = 64 * MiB;
/** Requests that the Storage Service has taken and not answered. */
export const PREFETCH_MAX_REQUESTS = 32;

// Time.
export const READ_DEADLINE_MS = 5_000;
export const WRITE_DEADLINE_MS = 20_000;
/** Clocks of two hosts may differ by so much; they keep time by NTP. */
export const CLOCKS_DIFFER_MAX_MS = 5_000;
/** A hub that is away may come back so soon that a request need not fail. */
export const HUB_AWAY_MAX_MS = 900;
/** How long the answer of an operation is kept for its repetition. */
export const ANSWER_KEPT_MS = 24 * 60 * 60 * 1000;
/** A list or search that has not ended by then is stopped. */
export const QUERY_DEADLINE_MS = 1_000;
