import { readFileSync } from 'node:fs';
import type { Format } from '../../contract/formats.ts';
import { ByteSource } from '../location/byte-source.ts';
import { boxesOf } from '../location/containers/boxes.ts';
import { NOTHING, type Unended } from '../location/scan.ts';

const BRAND_AT = 8;
/** Major brands of AVIF by which libvips recognises it (heifload.c). */
const KNOWN_BRANDS = new Set(['avif', 'mif1', 'msf1']);

/** By these libheif expects a track, which is hidden from it. */
const SEQUENCE_BRANDS = new Set(['avis', 'msf1']);

type Kind = { format: Format; unended?: Unended | undefined };

/** What sharp is to read: the file, or its bytes where libvips needs them a little otherwise. */
export function inputOf(path: string, { format, unended }: Kind): string | Buffer {
  if (unended) return withEnd(path, unended);
  return format === 'avif' ? stillImageOf(path) : path;
}

/** With its end, and before that more bytes if there are any. */
export function withEnd(path: string, { at, tail }: Unended, more: Uint8Array = NOTHING): Buffer {
  return Buffer.concat([readFileSync(path).subarray(0, at), more, tail]);
}

/** libvips refuses some brands, and libheif a file with a track that it does not understand. */
function stillImageOf(path: string): string | Buffer {
  const source = new ByteSource(path);
  try {
    const movies = [...boxesOf(source, 0, source.size)].filter(({ type }) => type === 'moov');
    const brand = source.read(BRAND_AT, 4).toString('latin1');
    if (movies.length === 0 && KNOWN_BRANDS.has(brand)) return path;
    const bytes = readFileSync(path);
    const end = Math.min(bytes.readUInt32BE(0), bytes.length) - 4;
    for (let at = BRAND_AT + 8; at <= end; at += 4) {
      if (SEQUENCE_BRANDS.has(bytes.toString('latin1', at, at + 4)))
        bytes.write('mif1', at, 'latin1');
    }
    bytes.write('avif', BRAND_AT, 'latin1');
    for (const { offset } of movies) bytes.write('free', offset + 4, 'latin1');
    return bytes;
  } finally {
    source.close();
  }
}
