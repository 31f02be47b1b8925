/** Which coefficients the scans of a JPEG bring (ITU-T T.81, §B.2 and §G.1.1.1). */

const COEFFICIENTS = 64;
const MISSING = 255;

/**
 * Whether each component has all its coefficients in full precision. A progressive picture whose
 * last scans are missing looks whole, and is coarser than it was.
 */
export function scansAreComplete(jpeg: Buffer): boolean {
  // Of each component the bits that its coefficients still lack.
  const lacking = new Map<number, Uint8Array>();
  for (const { marker, data } of segments(jpeg)) {
    if (marker >= 0xc0 && marker <= 0xc2) {
      for (let n = 0; n < data[5]!; n += 1) {
        lacking.set(data[6 + n * 3]!, new Uint8Array(COEFFICIENTS).fill(MISSING));
      }
    } else if (marker === 0xda) {
      const components = data[0]!;
      const [first, last, precision] = data.subarray(1 + components * 2);
      for (let n = 0; n < components; n += 1) {
        lacking.get(data[1 + n * 2]!)?.fill(precision! & 15, first, last! + 1);
      }
    }
  }
  return lacking.size > 0 && [...lacking.values()].every((bits) => bits.every((bit) => bit === 0));
}

function* segments(jpeg: Buffer): Generator<{ marker: number; data: Buffer }> {
  for (let at = 2; ; ) {
    at = jpeg.indexOf(0xff, at);
    const marker = at < 0 ? undefined : jpeg[at + 1];
    if (marker === undefined || marker === 0xd9) return;
    const bare = marker <= 1 || (marker >= 0xd0 && marker <= 0xd8);
    if (marker === 0xff) at += 1;
    else if (bare) at += 2;
    else {
      if (at + 4 > jpeg.length) return;
      const length = jpeg.readUInt16BE(at + 2);
      yield { marker, data: jpeg.subarray(at + 4, at + 2 + length) };
      at += 2 + length;
    }
  }
}
