import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { inParallel } from '../measure/statistics.ts';

/**
 * What an import costs at the least: each file of a folder is read, hashed, decoded once to 100
 * pixels, and written durably under its hash.
 *
 *   import-files.ts FROM TO
 */

const AT_ONCE = 2;
const IMAGE = /\.(png|jpe?g|webp|gif|avif)$/i;

const [from, to] = process.argv.slice(2) as [string, string];
sharp.concurrency(1);
sharp.cache(false);

const entries = await readdir(from, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile() && IMAGE.test(entry.name));
await inParallel(files.length, AT_ONCE, async (index) => {
  const { parentPath, name } = files[index]!;
  const bytes = await readFile(join(parentPath, name));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await sharp(bytes).resize(100).raw().toBuffer();
  await writeFile(join(to, sha256), bytes, { flush: true });
});
console.log(JSON.stringify({ files: files.length }));
