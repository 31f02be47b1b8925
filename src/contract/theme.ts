import { type Static, Type } from 'typebox';
import { LINE, orNull, Slug } from './image.ts';
import { DESCRIPTION_MAX_CHARACTERS, LABEL_MAX_CHARACTERS, THEME_MAX_SYNONYMS } from './limits.ts';

const Text = (maxLength: number) =>
  Type.String({
    maxLength,
    pattern: LINE,
    description: `up to ${maxLength} characters on one line, without control characters`,
  });
const Synonym = Type.String({
  minLength: 1,
  maxLength: LABEL_MAX_CHARACTERS,
  pattern: LINE,
  description: `1 to ${LABEL_MAX_CHARACTERS} characters on one line, without control characters`,
});

/** What a client says about a theme; what is absent becomes its default. */
export const ThemeFields = Type.Object(
  {
    display_name: Type.Optional(Text(LABEL_MAX_CHARACTERS)),
    description: Type.Optional(
      Type.Union([Text(DESCRIPTION_MAX_CHARACTERS), Type.Null()], {
        description: `null, or up to ${DESCRIPTION_MAX_CHARACTERS} characters on one line`,
      }),
    ),
    parent: Type.Optional(orNull(Slug)),
    synonyms: Type.Optional(
      Type.Array(Synonym, {
        maxItems: THEME_MAX_SYNONYMS,
        description: `up to ${THEME_MAX_SYNONYMS} synonyms of 1 to ${LABEL_MAX_CHARACTERS} characters`,
      }),
    ),
  },
  { additionalProperties: false },
);
export type ThemeFields = Static<typeof ThemeFields>;

export const Theme = Type.Object(
  {
    name: Slug,
    display_name: Type.String(),
    description: Type.Union([Type.String(), Type.Null()]),
    parent: Type.Union([Slug, Type.Null()]),
    synonyms: Type.Array(Type.String()),
    image_count: Type.Integer({ minimum: 0, description: 'live images of this very theme' }),
  },
  { additionalProperties: false, $id: 'Theme' },
);
export type Theme = Static<typeof Theme>;

export const ThemeName = Type.Object({ name: Slug });
