/** The data of a frame of GIF: sub-blocks of LZW codes (GIF89a, appendix F). */

const HEADER_BYTES = 13;
const CODE_MAX_BITS = 12;
const TABLE_MAX_CODES = 1 << CODE_MAX_BITS;

/** How many pixels the last frame lacks. The blocks of the file are known to be in order. */
export function missingPixels(gif: Buffer): number {
  let last = -1;
  for (let at = HEADER_BYTES + colourTableBytes(gif[10]!); gif[at] === 0x21 || gif[at] === 0x2c; ) {
    if (gif[at] === 0x2c) last = at;
    at = afterSubBlocks(gif, gif[at] === 0x21 ? at + 2 : dataOf(gif, at) + 1);
  }
  if (last < 0) return 0;
  const pixels = gif.readUInt16LE(last + 5) * gif.readUInt16LE(last + 7);
  return Math.max(0, pixels - pixelsOf(gif, dataOf(gif, last)));
}

/** Counts what the codes stand for; nothing is drawn. */
function pixelsOf(gif: Buffer, start: number): number {
  const clear = 1 << Math.min(gif[start]!, CODE_MAX_BITS - 1);
  const lengths = new Uint32Array(TABLE_MAX_CODES).fill(1, 0, clear);
  let [bits, next, previous, pixels] = [0, 0, -1, 0];
  const reset = () => {
    bits = Math.log2(clear) + 1;
    next = clear + 2;
    previous = -1;
  };
  reset();
  let [held, heldBits] = [0, 0];
  for (const byte of subBlocks(gif, start + 1)) {
    held |= byte << heldBits;
    heldBits += 8;
    while (heldBits >= bits) {
      const code = held & ((1 << bits) - 1);
      held >>>= bits;
      heldBits -= bits;
      if (code === clear) reset();
      else if (code === clear + 1 || code > next || (code === next && previous < 0)) return pixels;
      else {
        const grown = previous < 0 ? 0 : lengths[previous]! + 1;
        if (previous >= 0 && next < TABLE_MAX_CODES) lengths[next++] = grown;
        pixels += lengths[code]!;
        previous = code;
        if (next === 1 << bits && bits < CODE_MAX_BITS) bits += 1;
      }
    }
  }
  return pixels;
}

function* subBlocks(gif: Buffer, start: number): Generator<number> {
  for (let at = start; gif[at]; at += 1 + gif[at]!) yield* gif.subarray(at + 1, at + 1 + gif[at]!);
}

function afterSubBlocks(gif: Buffer, start: number): number {
  let at = start;
  while (gif[at]) at += 1 + gif[at]!;
  return at + 1;
}

function dataOf(gif: Buffer, frame: number): number {
  return frame + 10 + colourTableBytes(gif[frame + 9]!);
}

function colourTableBytes(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}
