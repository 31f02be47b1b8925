/** Where XMP keeps a place: by namespace, the usual prefix and the properties (a pattern). */
const XMP_PLACES = [
  ['http://ns.adobe.com/exif/1.0/', 'exif', 'GPS\\w*'],
  ['http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/', 'Iptc4xmpCore', 'Location|CountryCode'],
  ['http://iptc.org/std/Iptc4xmpExt/2008-02-29/', 'Iptc4xmpExt', 'Location\\w*'],
  ['http://ns.adobe.com/photoshop/1.0/', 'photoshop', 'City|State|Country'],
  ['http://www.w3.org/2003/01/geo/wgs84_pos#', 'geo', 'lat|long|lat_long|Point|location'],
  ['http://www.dji.com/drone-dji/1.0/', 'drone-dji', 'G[Pp][Ss]\\w*'],
] as const;
/** Longer than any declaration `xmlns:prefix="`. */
const DECLARATION_MAX_CHARACTERS = 100;

/** Datasets of IPTC IIM record 2 (IIM 4.2, §6): places, and what names one. */
const IPTC_PLACES = new Set([26, 27, 90, 92, 95, 100, 101]);
const IPTC_MARKER = 0x1c;

/** Properties without a value do not count: editors write them empty into every file. */
export function xmpHasLocation(packet: Buffer): boolean {
  // UTF-16 and UTF-32 are allowed; the names looked for are ASCII in all of them.
  const text = packet.toString('latin1').replaceAll('\0', '');
  return XMP_PLACES.some(([uri, usual, properties]) => {
    const prefixes = prefixesOf(text, uri);
    // As the default namespace its properties bear no prefix: they cannot be told from others.
    if (prefixes.has('')) return true;
    const prefix = [usual, ...prefixes].map((name) => name.replaceAll('.', '\\.')).join('|');
    const property = `(?:${prefix}):(?:${properties})`;
    const attribute = new RegExp(`[\\s"']${property}\\s*=\\s*(?:"\\s*[^"\\s]|'\\s*[^'\\s])`);
    return attribute.test(text) || hasFilledElement(text, new RegExp(`<(${property})[\\s/>]`, 'g'));
  });
}

/** Each look goes on behind the last one, so a packet is read once whatever it holds. */
function hasFilledElement(text: string, opening: RegExp): boolean {
  for (let tag = opening.exec(text); tag; tag = opening.exec(text)) {
    const start = tag.index + tag[0].length - 1;
    const end = text.indexOf('>', start) + 1;
    if (end === 0) return true;
    const attributes = text.slice(start, end - 1).trim();
    opening.lastIndex = end;
    if (attributes === '/') continue;
    const closing = text.indexOf(`</${tag[1]}`, end);
    if (attributes !== '' || closing < 0) return true;
    // What is left without the tags that say nothing, such as <rdf:Bag/>.
    if (text.slice(end, closing).replaceAll(/<\/?[\w:.-]+\s*\/?>|\s/g, '') !== '') return true;
    opening.lastIndex = closing;
  }
  return false;
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

/** Datasets as IIM 4.2, §1.5 lays them out. What cannot be walked counts as holding location. */
export function iptcHasLocation(iim: Buffer): boolean {
  let at = 0;
  while (at + 5 <= iim.length && iim[at] === IPTC_MARKER) {
    if (iim[at + 1] === 2 && IPTC_PLACES.has(iim[at + 2]!)) return true;
    let length = iim.readUInt16BE(at + 3);
    at += 5;
    if (length & 0x8000) {
      const digits = length & 0x7fff;
      if (digits < 1 || digits > 4 || at + digits > iim.length) return true;
      length = iim.readUIntBE(at, digits);
      at += digits;
    }
    at += length;
  }
  return at > iim.length || iim.subarray(at).some((padding) => padding !== 0);
}
