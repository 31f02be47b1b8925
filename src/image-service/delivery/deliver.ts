import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import type { ByteRange, Storage } from '../../contract/storage.ts';
import { contentRange, lengthOf, parseRanges, partHeads } from '../../http/ranges.ts';
import type { SlowReaders } from '../../http/slow-readers.ts';
import { whenClosed } from '../../http/when-closed.ts';
import { type ContentCache, type Lease, otherSize } from '../caches/content-cache.ts';
import type { HeaderSet, RawHeaders, Representation } from '../caches/representation.ts';
import { ask } from '../request/call.ts';
import { demandedTags, evaluate, rangeApplies } from './conditions.ts';

export type Delivery = { storage: Storage; contents: ContentCache; readers: SlowReaders };

/** Answers a GET or HEAD of an image's bytes; at once when they are kept in memory. */
export function deliver(
  delivery: Delivery,
  representation: Representation,
  headers: HeaderSet,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | Promise<FastifyReply> {
  const given = request.raw.headers;
  const outcome = evaluate(given, representation);
  if (outcome === 304) return withHeaders(reply.code(304), headers.notModified).send();
  if (outcome === 412) {
    // Throws where the tags themselves are wrong.
    demandedTags(given['if-match']);
    const message = 'The content is not the one that If-Match or If-Unmodified-Since names.';
    throw new ServiceError('precondition_failed', message);
  }
  if (request.raw.method === 'HEAD') return withHeaders(reply, headers.content).send();

  const { sha256, size_bytes: size } = representation.image.content;
  const ifRange = given['if-range'] as string | undefined;
  const applies = given.range !== undefined && rangeApplies(ifRange, representation);
  const ranges = parseRanges(applies ? given.range : undefined, size);
  if (ranges === 'unsatisfiable') {
    reply.header('content-range', `bytes */${size}`);
    const message = `The content has ${size} bytes; ask for a range within them.`;
    throw new ServiceError('range_not_satisfiable', message);
  }
  const kept = delivery.contents.kept(sha256);
  if (kept) return send(delivery, representation, headers, ranges, kept, reply);
  return delivery.contents
    .read(sha256, size, request.id)
    .then((lease) => send(delivery, representation, headers, ranges, lease, reply));
}

function send(
  { storage, readers }: Delivery,
  { image }: Representation,
  headers: HeaderSet,
  ranges: ByteRange[] | 'whole',
  lease: Lease | undefined,
  reply: FastifyReply,
): FastifyReply | Promise<FastifyReply> {
  const { sha256, size_bytes: size, media_type: mediaType } = image.content;
  if (lease) whenClosed(reply.raw, lease.release);
  else readers.watch(reply.raw);
  const open = async (range: ByteRange | null): Promise<AsyncIterable<Uint8Array>> => {
    if (lease) return [slice(lease, range)] as unknown as AsyncIterable<Uint8Array>;
    const content = await ask(reply, (call) => storage.getContent(sha256, range, call));
    // NaN: a proxy between the services did not tell; the bytes are compared with their hash.
    if (content.size_bytes === size || Number.isNaN(content.size_bytes)) return content.bytes;
    toStream(content.bytes).destroy();
    throw otherSize(sha256, size);
  };

  if (ranges === 'whole' || ranges.length === 1) {
    const range = ranges === 'whole' ? null : ranges[0]!;
    const partly = () => {
      withHeaders(reply, headers.content);
      if (!range) return reply;
      return reply
        .code(206)
        .header('content-range', contentRange(range, size))
        .header('content-length', String(lengthOf(range)));
    };
    if (lease) return partly().send(slice(lease, range));
    return open(range).then((bytes) => partly().send(toStream(bytes)));
  }

  const { type, heads, end, length } = partHeads(ranges, size, mediaType);
  async function* parts() {
    for (const [index, range] of (ranges as ByteRange[]).entries()) {
      // Before anything is sent, so that a range that cannot be read is an error and no broken answer.
      const bytes = await open(range);
      try {
        yield heads[index]!;
        yield* bytes;
      } finally {
        if (bytes instanceof Readable) bytes.destroy();
      }
    }
    yield end;
  }
  return withHeaders(reply, headers.content)
    .code(206)
    .header('content-type', type)
    .header('content-length', String(length))
    .send(toStream(parts()));
}

function withHeaders(reply: FastifyReply, headers: RawHeaders): FastifyReply {
  for (let i = 0; i < headers.length; i += 2) reply.header(headers[i]!, headers[i + 1]);
  return reply;
}

function slice(lease: Lease, range: ByteRange | null): Buffer {
  return range ? lease.bytes.subarray(range.first, range.last + 1) : lease.bytes;
}

function toStream(bytes: AsyncIterable<Uint8Array>): Readable {
  return bytes instanceof Readable ? bytes : Readable.from(bytes, { objectMode: false });
}
