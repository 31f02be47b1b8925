import type { IncomingMessage } from 'node:http';
import type { FirstAnswer } from '../../http/answer-first.ts';
import type { Answered } from '../answered.ts';
import type { ContentCache } from '../caches/content-cache.ts';
import type { ImageCache } from '../caches/image-cache.ts';
import type { HeaderSet, Representation } from '../caches/representation.ts';
import type { BrowserGuard } from '../request/browser-guard.ts';
import { evaluate } from './conditions.ts';

export type MemoryDelivery = {
  images: ImageCache;
  contents: ContentCache;
  guard: BrowserGuard;
  /** Optional at the beginning of an address. */
  basePath: string;
  /** Of the router, such as `/images/:id/content`. */
  route: string;
  requestId(request: IncomingMessage): string;
  /** Told of each answer that was sent. */
  answered(answer: Answered): void;
};

/**
 * Answers a GET of bytes that are in memory, whole or by 304, as the route would, for two thirds of the
 * cost (decision 9). All else is left to the route: what is not in memory, ranges, failed conditions,
 * pages of other origins, faults.
 */
export function deliverFromMemory(delivery: MemoryDelivery): FirstAnswer {
  const { images, contents, guard, basePath, route } = delivery;
  const base = basePath && `(?:${basePath.replaceAll('.', '\\.')})?`;
  const address = new RegExp(`^${base}${route.replace(':id', '([^/?#]+)')}(?:\\?(.*))?$`);
  return (request, response) => {
    const { method, url, headers: given } = request;
    if (method !== 'GET' || given.range !== undefined || given.origin !== undefined) return false;
    const matched = address.exec(url!);
    const representation = matched && images.peek(matched[1]!);
    if (!representation || guard.hostFault(request)) return false;
    const headers = headersFor(representation, matched[2]);
    const outcome = evaluate(given, representation);
    if (!headers || outcome === 412) return false;
    const { sha256 } = representation.image.content;
    const lease = outcome === 200 ? contents.kept(sha256) : undefined;
    if (outcome === 200 && !lease) return false;

    const started = performance.now();
    const requestId = delivery.requestId(request);
    const head = [...(lease ? headers.content : headers.notModified), 'x-request-id', requestId];
    if (guard.shares) head.push('vary', 'Origin');
    response.writeHead(outcome, head).end(lease?.bytes);
    images.used();
    const sent = () => {
      lease?.release();
      const milliseconds = performance.now() - started;
      const status = outcome;
      delivery.answered({
        requestId,
        route,
        method,
        url: url!,
        status,
        milliseconds,
        delivery: true,
      });
    };
    // Mostly the kernel has taken all of it by now.
    if (response.writableLength === 0) sent();
    else response.on('close', () => (response.writableFinished ? sent() : lease?.release()));
    return true;
  };
}

function headersFor(image: Representation, query: string | undefined): HeaderSet | undefined {
  if (query === undefined) return image.changing;
  return query === image.revision ? image.fixed : undefined;
}
