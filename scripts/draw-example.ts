import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

/** `npm run draw-example [FILE]`: writes the picture of the README's first upload. */

const svg = fileURLToPath(new URL('../docs/examples/elf.svg', import.meta.url));
const file = process.argv[2] ?? 'elf.png';
await sharp(svg).png().toFile(file);
console.log(`Wrote ${file}.`);
