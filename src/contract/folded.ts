/**
 * The form in which texts are compared: without case, accents, and other differences that people do
 * not type. Rows and queries go through this one function, so they cannot disagree.
 */

/**
 * Letters that full case folding or a missing decomposition leaves different from what people type,
 * each with what stands for it. The last line: letters that keyboards of neighbouring languages
 * write differently.
 */
const LETTERS: ReadonlyMap<string, string> = new Map(
  [
    'ßss ςσ ıi ȷj æae œoe øo þth ðd đd ħh ŋn łl ŧt ƶz ĸk ƀb ɓb ƃb ƈc ȼc ɖd ɗd ƌd ɇe ƒf ǥg ɠg ɨi ɉj',
    'ƙk ƚl ɫl ⱡl ɲn ƞn ɵo ƥp ɍr ɽr ȿs ƭt ʈt ⱦt ʉu ʋv ƴy ɏy ȥz ɀz ⱥa ꜳaa ꝏoo',
    'یي ىي کك ةه ٱا ґг',
  ]
    .flatMap((line) => line.split(' '))
    .map(([letter, ...plain]) => [letter!, plain.join('')]),
);
const LETTER = new RegExp(`[${[...LETTERS.keys()].join('')}]`, 'gu');

const ASCII = /^[\0-\x7f]*$/;
/** Signs of law: their compatibility form is letters, which would be part of the word before. */
const LEGAL_SIGN = /[©®™℠℗]/gu;
/** Its compatibility form is a space and an accent; people type it for an apostrophe. */
const ACUTE = /´/gu;
const APOSTROPHE = /[‘’‛ʼʻʹ′׳`]/gu;
const HYPHEN = /[‐‑–−]/gu;
/** The gender of an emoji. */
const EMOJI_GENDER = /\u200d[♀♂]/gu;
/** Invisible signs, skin tones, the tatweel, and the dot that joins words of katakana. */
const DROPPED = /[\p{Cf}\p{Emoji_Modifier}\u0640\u30fb]/gu;
/**
 * Accents, of the scripts that can do without. Other scripts write vowels as marks; and the marks of
 * kana, which belong to no one script, make other syllables.
 */
const ACCENT =
  /[[\p{M}&&[\p{sc=Inherited}\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Hebrew}\p{sc=Arabic}\p{sc=Syriac}]]--[\u3099\u309a]]/gv;

/** The normal form of a normal form is itself. Apostrophes and hyphens of all kinds become ' and -. */
export function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase().replace(APOSTROPHE, "'");
  return (
    text
      .replace(LEGAL_SIGN, ' ')
      .replace(ACUTE, "'")
      .normalize('NFKD')
      .replace(APOSTROPHE, "'")
      .replace(HYPHEN, '-')
      .replace(EMOJI_GENDER, '')
      .replace(DROPPED, '')
      .replace(ACCENT, '')
      .toLowerCase()
      .replace(LETTER, (letter) => LETTERS.get(letter)!)
      // Puts together what belongs together: syllables of Hangul, kana with their marks.
      .normalize('NFC')
  );
}
