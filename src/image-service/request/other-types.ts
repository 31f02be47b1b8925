import type { FastifyInstance } from 'fastify';
import { ServiceError } from '../../contract/errors.ts';

/**
 * What would be right instead of a body of this type, which no parser of the scope reads; undefined
 * when the route reads it. `type` is undefined where none is named.
 */
type Rule = (type: string | undefined) => string | undefined;

const MISSING = 'The request has a body and no Content-Type.';

/**
 * Refuses bodies of all other types in this scope, and says which types are accepted. An empty body
 * is as absent: `curl -d ''` declares a form and sends nothing.
 */
export function refuseOtherTypes(scope: FastifyInstance, ruleOf: Rule): void {
  scope.addContentTypeParser('*', ({ headers }, _body, done) => {
    if (headers['content-length'] === '0') return done(null, undefined);
    const type = headers['content-type'];
    const rule = ruleOf(type);
    if (rule === undefined) return done(null);
    const wrong = type === undefined ? MISSING : 'The Content-Type is not supported here.';
    done(new ServiceError('unsupported_media_type', `${wrong} ${rule}`));
  });
}

/** What curl declares for -d and --data-binary when it is told nothing else. */
export function isCurlDefault(type: string | undefined): boolean {
  return type?.startsWith('application/x-www-form-urlencoded') === true;
}
