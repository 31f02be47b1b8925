import type { IncomingMessage } from 'node:http';
import type { Image, ImagePage } from '../contract/image.ts';
import type { Json } from '../contract/json.ts';
import type { Storage } from '../contract/storage.ts';

/**
 * The service below a path of a proxy, such as `/art`: what it answers names addresses below that
 * path, and it accepts requests with the path and without, as some proxies remove it.
 */

/** `content` is the only member of an image that is an object and begins with `url`. */
const CONTENT_URL_IN_TEXT = '"content":{"url":"';

/** The same storage; the addresses in its images begin with the base path. */
export function underProxyPath(storage: Storage, basePath: string): Storage {
  if (basePath === '') return storage;
  const moved = (image: Image): Image => {
    const { content } = image;
    return { ...image, content: { ...content, url: basePath + content.url } };
  };
  const movedOutcome = <T extends { value: Image }>(outcome: T): T => ({
    ...outcome,
    value: moved(outcome.value),
  });
  const calls: Partial<Storage> = {
    getImage: async (...call) => moved(await storage.getImage(...call)),
    createImage: async (...call) => movedOutcome(await storage.createImage(...call)),
    updateImage: async (...call) => movedOutcome(await storage.updateImage(...call)),
    restoreImage: async (...call) => movedOutcome(await storage.restoreImage(...call)),
    replaceContent: async (...call) => movedOutcome(await storage.replaceContent(...call)),
    listImages: async (...call) => movedPage(await storage.listImages(...call), basePath),
  };
  return new Proxy(storage, {
    get(target, name) {
      const call = Reflect.get(calls, name) ?? Reflect.get(target, name);
      return typeof call === 'function' ? call.bind(target) : call;
    },
  });
}

/** A page stays text: parsing it would cost more than all else that the edge does with it. */
function movedPage(page: Json<ImagePage>, basePath: string): Json<ImagePage> {
  return page.replaceAll(
    CONTENT_URL_IN_TEXT,
    () => CONTENT_URL_IN_TEXT + basePath,
  ) as Json<ImagePage>;
}

/** The URL of a request without the base path, for the router. */
export function withoutProxyPath(
  basePath: string,
): (request: Pick<IncomingMessage, 'url'>) => string {
  return ({ url = '/' }) => {
    if (!url.startsWith(basePath)) return url;
    const rest = url.slice(basePath.length);
    if (rest === '' || rest.startsWith('?')) return `/${rest}`;
    return rest.startsWith('/') ? rest : url;
  };
}
