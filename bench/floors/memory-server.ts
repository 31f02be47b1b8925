import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * What answers from memory cost at the least in Node: node:http without a framework, a log or a
 * metric. It serves the pictures of a folder, and answers their ETag in If-None-Match by 304.
 *
 *   memory-server.ts FOLDER
 */

const folder = process.argv[2]!;
const pictures = readdirSync(folder).filter((name) => name.endsWith('.jpg'));
const files = new Map(pictures.map((name) => [`/${name}`, readFileSync(join(folder, name))]));
const headers = {
  etag: `"${'0'.repeat(64)}"`,
  'cache-control': 'public, max-age=31536000, immutable',
  'last-modified': new Date().toUTCString(),
  'x-content-type-options': 'nosniff',
};

const server = createServer(({ url, headers: given }, response) => {
  const file = files.get(url!);
  if (!file) response.writeHead(404).end();
  else if (given['if-none-match'] === headers.etag) response.writeHead(304, headers).end();
  else {
    const type = { 'content-type': 'image/jpeg', 'content-length': file.length };
    response.writeHead(200, { ...headers, ...type }).end(file);
  }
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
});
