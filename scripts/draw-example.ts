import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

/** `npm run draw-example`: writes elf.png, the picture of the README's first upload. */

const svg = fileURLToPath(new URL('../docs/examples/elf.svg', import.meta.url));
await sharp(svg).png().toFile('elf.png');
console.log('Wrote elf.png.');
