import { createRequire } from 'node:module';

/**
 * rabbitmq-client decodes the headers of a message by recursion. Tables nested ten thousand deep fit
 * into one frame: they end its stack and with that the connection, and the broker delivers the same
 * message again, until it has laid aside all that were delivered beside it. So headers over a bound,
 * which nobody needs, are taken for none before they are decoded. The library has no hook for it.
 */

/** At five bytes a level some 1,600 levels; the stack takes 3,500. Ours have under 300 bytes. */
const HEADERS_MAX_BYTES = 8 * 1024;

// Frames and properties: AMQP 0-9-1, 2.3.5 and 4.2.6.1.
const HEADER_FRAME = 2;
const FLAGS_AT = 12;
const CONTENT_TYPE = 0x8000;
const CONTENT_ENCODING = 0x4000;
const HEADERS = 0x2000;

type Read = (bytes: number) => Promise<Buffer>;
type Codec = { decodeFrame(read: Read): Promise<unknown> };

const codec = createRequire(import.meta.url)('rabbitmq-client/lib/codec.js') as Codec;
const decode = codec.decodeFrame;

/** Every connection decodes its frames by this. */
codec.decodeFrame = (read) => {
  let type: number | undefined;
  // It reads the head of a frame and then all the rest.
  return decode(async (size) => {
    const bytes = await read(size);
    if (type === HEADER_FRAME) return withBoundedHeaders(bytes);
    type = bytes[0];
    return bytes;
  });
};

/** The payload of a header frame; as long as before, because its length has been read already. */
function withBoundedHeaders(payload: Buffer): Buffer {
  const flags = payload.readUInt16BE(FLAGS_AT);
  if (!(flags & HEADERS)) return payload;
  let table = FLAGS_AT + 2;
  for (const text of [CONTENT_TYPE, CONTENT_ENCODING]) {
    if (flags & text) table += 1 + payload.readUInt8(table);
  }
  const size = payload.readUInt32BE(table);
  if (size <= HEADERS_MAX_BYTES) return payload;
  const bounded = Buffer.alloc(payload.length);
  payload.copy(bounded, 0, 0, table);
  payload.copy(bounded, table + 4, table + 4 + size);
  bounded[payload.length - 1] = payload.at(-1)!;
  return bounded;
}
