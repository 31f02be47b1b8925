import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';
import { parseJson } from '../../contract/json.ts';
import { JSON_BODY_MAX_BYTES } from '../../contract/limits.ts';
import { refuseOtherTypes } from './other-types.ts';

const PLAIN_ONLY = 'A compressed body is not taken. Send it without Content-Encoding.';

/**
 * Takes JSON bodies in this scope. An empty one is as absent, for clients that declare JSON and
 * send nothing. Keys such as `__proto__` are plain keys here; the check of the fields names them.
 */
export function takeJson(scope: FastifyInstance, mediaTypes: readonly string[]): void {
  // Node has ended it already (optimizeEmptyRequests), and its reader waits for the end to come.
  scope.addHook('preParsing', (_request, _reply, body, done) => {
    done(null, (body as Readable).readableEnded ? Readable.from([]) : body);
  });
  const rule = `Send ${mediaTypes.join(' or ')}, with curl: -H 'Content-Type: application/json'`;
  refuseOtherTypes(scope, () => `${rule}.`);
  const options = { parseAs: 'string', bodyLimit: JSON_BODY_MAX_BYTES } as const;
  scope.addContentTypeParser<string>([...mediaTypes], options, (request, text, done) => {
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      return done(new ServiceError('unsupported_media_type', PLAIN_ONLY));
    }
    try {
      done(null, text === '' ? undefined : parseJson(text));
    } catch {
      done(new ServiceError('invalid_request', 'The body is not JSON. Send a JSON object.'));
    }
  });
}
