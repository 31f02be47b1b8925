import type { Image, ImageFields, ImagePatch } from '../../contract/image.ts';
import type { Theme, ThemeFields } from '../../contract/theme.ts';
import type { Problem } from '../../http/problem.ts';

/**
 * What the documentation shows and its page sends. Without an example the page fills a field with
 * random text by its pattern. Nothing here changes what it is not about: the themes named are
 * there from the start, but for the one that is described.
 */

const SHA256 = '91d74a9d6e5605cc0eb4d65d497ab9ab931785c9e916822a83a07a6a3043ddfc';
const ID = '019d4a6e-7f0b-7c31-9a55-2f6f0c1b7e10';
const TIME = '2026-01-31T18:00:00.000Z';

export const FIELDS_EXAMPLE: ImageFields = {
  type: 'portrait',
  name: 'Elven ranger',
  theme: 'high_fantasy',
  subtype: 'half-elf',
  description: 'Keeper of the northern woods',
  tags: ['elf', 'ranger'],
  attributes: { level: 3, artist: 'Hildr' },
  visibility: 'public',
};

export const PATCH_EXAMPLE: ImagePatch = { attributes: { level: 4 } };

export const IMAGE_EXAMPLE: Image = {
  id: ID,
  type: 'portrait',
  subtype: 'half-elf',
  name: 'Elven ranger',
  description: 'Keeper of the northern woods',
  theme: 'high_fantasy',
  tags: ['elf', 'ranger'],
  attributes: { level: 3, artist: 'Hildr' },
  source_type: null,
  source_id: null,
  owner: null,
  visibility: 'public',
  content: {
    url: `/api/v2/images/${ID}/content?v=${SHA256.slice(0, 16)}`,
    media_type: 'image/png',
    size_bytes: 143_392,
    width: 400,
    height: 400,
    sha256: SHA256,
    source_sha256: SHA256,
    filename: 'elf.png',
    pages: 1,
    placeholder: 'bPiBDQI2p31xWnKfp1avdfU5CpV0iHd4eA==',
    palette: ['#b3c1c7', '#eceee7', '#a09171', '#cdbd9e', '#86703b'],
    updated_at: TIME,
  },
  version: 1,
  created_at: TIME,
  updated_at: TIME,
  deleted_at: null,
};

/** A theme that is there from the start. */
export const KNOWN_THEME_EXAMPLE = 'high_fantasy';
/** One that is not, so that to try it out describes no theme of anybody. */
export const NEW_THEME_EXAMPLE = 'clockwork_city';

export const THEME_FIELDS_EXAMPLE: ThemeFields = {
  display_name: 'Clockwork city',
  description: 'Brass, steam and towers of gears',
  parent: 'steampunk',
  synonyms: ['clockpunk'],
};

export const THEME_EXAMPLE = {
  name: NEW_THEME_EXAMPLE,
  display_name: 'Clockwork city',
  description: 'Brass, steam and towers of gears',
  parent: 'steampunk',
  synonyms: ['clockpunk'],
  image_count: 0,
} satisfies Theme;

export const PROBLEM_EXAMPLE = {
  type: 'urn:dnd-image-service:problem:invalid_request',
  title: 'The request is malformed',
  status: 400,
  detail: 'theme is required: a slug of up to 50 characters.',
  code: 'invalid_request',
  request_id: '5f0c9d1e-7',
  errors: [{ field: 'theme', message: 'is required: a slug of up to 50 characters' }],
} satisfies Problem;
