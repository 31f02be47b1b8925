import type { Cleaning } from './cleaning.ts';

/** Where XMP keeps a place: by namespace, the usual prefix and the properties (a pattern). */
const XMP_PLACES = [
  ['http://ns.adobe.com/exif/1.0/', 'exif', 'GPS\\w*'],
  ['http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/', 'Iptc4xmpCore', 'Location|CountryCode'],
  [
    'http://iptc.org/std/Iptc4xmpExt/2008-02-29/',
    'Iptc4xmpExt',
    'Location\\w*|City|Sublocation|ProvinceState|CountryName|CountryCode|WorldRegion',
  ],
  ['http://ns.adobe.com/photoshop/1.0/', 'photoshop', 'City|State|Country'],
  ['http://ns.adobe.com/xmp/1.0/DynamicMedia/', 'xmpDM', 'shotLocation'],
  ['http://www.w3.org/2003/01/geo/wgs84_pos#', 'geo', 'lat|long|alt|lat_long|Point|location'],
  ['http://www.dji.com/drone-dji/1.0/', 'drone-dji', 'G[Pp][Ss]\\w*|AbsoluteAltitude'],
] as const;
/** Longer than any declaration `xmlns:prefix="`. */
const DECLARATION_MAX_CHARACTERS = 100;

/** Of a property with a value, in characters: from its name, or its tag, to its end. */
type Stretch = { start: number; end: number };

/**
 * A property that tells a place becomes spaces, which mean nothing between attributes and between
 * elements. Properties without a value do not count: editors write them empty into every file.
 */
export function cleanXmp(packet: Buffer): Cleaning {
  const raw = packet.toString('latin1');
  // UTF-16 and UTF-32 are allowed; the names looked for are ASCII in all of them.
  const text = raw.replaceAll('\0', '');
  const stretches = placesIn(text);
  if (stretches === 'unclear') return 'unclear';
  if (stretches.length === 0) return null;
  // With zeros between them characters are not bytes; in a comment tags are none.
  if (!raw.startsWith(text) || text.includes('<!')) return 'unclear';
  const cleaned = Buffer.from(packet);
  for (const { start, end } of stretches) cleaned.fill(' ', start, end);
  // What was taken for one thing may have hidden another.
  return placesIn(cleaned.toString('latin1')).length === 0 ? cleaned : 'unclear';
}

function placesIn(text: string): Stretch[] | 'unclear' {
  const stretches: Stretch[] = [];
  for (const [uri, usual, properties] of XMP_PLACES) {
    const prefixes = prefixesOf(text, uri);
    // As the default namespace its properties bear no prefix: they cannot be told from others.
    if (prefixes.has('')) return 'unclear';
    const prefix = [usual, ...prefixes].map((name) => name.replaceAll('.', '\\.')).join('|');
    const property = `(?:${prefix}):(?:${properties})`;
    const attributes = filledAttributes(text, new RegExp(`[\\s"']${property}\\s*=\\s*["']`, 'g'));
    const elements = filledElements(text, new RegExp(`<(${property})[\\s/>]`, 'g'));
    if (attributes === 'unclear' || elements === 'unclear') return 'unclear';
    for (const stretch of [...attributes, ...elements]) stretches.push(stretch);
  }
  return stretches;
}

function filledAttributes(text: string, opening: RegExp): Stretch[] | 'unclear' {
  const stretches: Stretch[] = [];
  for (let name = opening.exec(text); name; name = opening.exec(text)) {
    const start = opening.lastIndex;
    const end = text.indexOf(text[start - 1]!, start);
    if (end < 0) return 'unclear';
    if (text.slice(start, end).trim() !== '') {
      stretches.push({ start: name.index + 1, end: end + 1 });
    }
    // The quote may stand right before the next name.
    opening.lastIndex = end;
  }
  return stretches;
}

/** Each look goes on behind the last one, so a packet is read once whatever it holds. */
function filledElements(text: string, opening: RegExp): Stretch[] | 'unclear' {
  const stretches: Stretch[] = [];
  for (let tag = opening.exec(text); tag; tag = opening.exec(text)) {
    const nameEnd = tag.index + tag[0].length - 1;
    const tagEnd = text.indexOf('>', nameEnd) + 1;
    if (tagEnd === 0) return 'unclear';
    const attributes = text.slice(nameEnd, tagEnd - 1).trim();
    opening.lastIndex = tagEnd;
    if (attributes === '/') continue;
    // An attribute may hold what looks like the end of its tag.
    if (attributes.replaceAll(/"[^"]*"|'[^']*'/g, '').match(/["']/)) return 'unclear';
    const end = attributes.endsWith('/') ? tagEnd : elementEnd(text, tag[1]!, tagEnd);
    if (end === null) return 'unclear';
    opening.lastIndex = end;
    // What is left without the tags that say nothing, such as <rdf:Bag/>.
    const said = text.slice(tagEnd, end).replaceAll(/<\/?[\w:.-]+\s*\/?>|\s/g, '');
    if (attributes !== '' || said !== '') stretches.push({ start: tag.index, end });
  }
  return stretches;
}

/** Behind the closing tag; null: there is none, or an element of the same name stands inside. */
function elementEnd(text: string, name: string, from: number): number | null {
  const tags = new RegExp(`<(/?)${name.replaceAll('.', '\\.')}[\\s/>]`, 'g');
  tags.lastIndex = from;
  const next = tags.exec(text);
  if (next?.[1] !== '/') return null;
  const end = text.indexOf('>', next.index) + 1;
  return end === 0 ? null : end;
}

function prefixesOf(text: string, uri: string): Set<string> {
  const prefixes = new Set<string>();
  for (let at = text.indexOf(uri); at >= 0; at = text.indexOf(uri, at + uri.length)) {
    const before = text.slice(Math.max(0, at - DECLARATION_MAX_CHARACTERS), at);
    const declared = /\sxmlns(?::([\w.-]+))?\s*=\s*["']$/.exec(before);
    if (declared) prefixes.add(declared[1] ?? '');
  }
  return prefixes;
}
