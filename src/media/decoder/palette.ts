/** Colours that most of a picture is made of, found by counting, so equal pixels give equal colours. */

const PALETTE_MAX_COLOURS = 5;
/** Below half, what lies behind an edge decides what is seen. */
const OPAQUE_MIN_ALPHA = 128;
/** Distance in RGB (0–441) under which two colours look like shades of one. */
const SHADE_MAX_DISTANCE = 48;
/** A smaller share of the picture is an accident, unless nothing else is there. */
const COLOUR_MIN_SHARE = 0.005;

type Colour = { pixels: number; red: number; green: number; blue: number };

/**
 * @param rgba not premultiplied, four bytes a pixel
 * @returns up to five `#rrggbb`, the most prominent first; none when all is transparent
 */
export function paletteOf(rgba: Uint8Array): string[] {
  const cells = countCells(rgba);
  const total = cells.reduce((sum, cell) => sum + cell.pixels, 0);
  const clusters: Colour[] = [];
  for (const cell of cells) {
    const near = clusters.find((cluster) => distance(cluster, cell) < SHADE_MAX_DISTANCE);
    if (near) add(near, cell);
    else clusters.push({ ...cell });
  }
  clusters.sort((one, other) => other.pixels - one.pixels);
  return clusters
    .filter(({ pixels }, rank) => rank === 0 || pixels >= total * COLOUR_MIN_SHARE)
    .slice(0, PALETTE_MAX_COLOURS)
    .map(hex);
}

/** Sums of the pixels that share the upper four bits of each channel, the fullest first. */
function countCells(rgba: Uint8Array): Colour[] {
  const cells = new Map<number, Colour>();
  for (let at = 0; at + 3 < rgba.length; at += 4) {
    if (rgba[at + 3]! < OPAQUE_MIN_ALPHA) continue;
    const [red, green, blue] = [rgba[at]!, rgba[at + 1]!, rgba[at + 2]!];
    const key = ((red >> 4) << 8) | ((green >> 4) << 4) | (blue >> 4);
    const cell = cells.get(key);
    const pixel = { pixels: 1, red, green, blue };
    if (cell) add(cell, pixel);
    else cells.set(key, pixel);
  }
  return [...cells]
    .sort(([key, one], [otherKey, other]) => other.pixels - one.pixels || key - otherKey)
    .map(([, cell]) => cell);
}

function add(sum: Colour, more: Colour): void {
  sum.pixels += more.pixels;
  sum.red += more.red;
  sum.green += more.green;
  sum.blue += more.blue;
}

function distance(one: Colour, other: Colour): number {
  return Math.hypot(
    one.red / one.pixels - other.red / other.pixels,
    one.green / one.pixels - other.green / other.pixels,
    one.blue / one.pixels - other.blue / other.pixels,
  );
}

function hex({ pixels, red, green, blue }: Colour): string {
  const channels = [red, green, blue].map((sum) => Math.round(sum / pixels));
  return `#${channels.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}
