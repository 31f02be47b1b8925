import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';

/**
 * What a durable upload costs at the least: the body is hashed while it is written, the file is
 * synced and renamed, its folder synced. With --decode the picture is decoded once, to 100 pixels.
 *
 *   upload-server.ts FOLDER [--decode]
 */

/** Chunks that come during a write are written together, up to so much. */
const WRITE_BEHIND_BYTES = 1024 * 1024;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { decode: { type: 'boolean', default: false } },
});
const folder = positionals[0]!;
// Several requests run beside each other, so one of them needs one core.
sharp.concurrency(1);
sharp.cache(false);

const server = createServer(async (request, response) => {
  try {
    response.writeHead(201).end(await keep(request));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
});

async function keep(request: IncomingMessage): Promise<string> {
  const path = join(folder, randomUUID());
  const hash = createHash('sha256');
  request.on('data', (chunk: Buffer) => hash.update(chunk));
  const file = createWriteStream(path, { flush: true, highWaterMark: WRITE_BEHIND_BYTES });
  await pipeline(request, file);
  if (values.decode) await sharp(path).resize(100).raw().toBuffer();
  const sha256 = hash.digest('hex');
  await rename(path, join(folder, sha256));
  const directory = await open(folder);
  await directory.sync();
  await directory.close();
  return sha256;
}
