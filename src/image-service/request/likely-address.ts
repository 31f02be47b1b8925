/** What was likely meant by an address that no route has. */

/** A longer path is no slip. */
const PATH_MAX_CHARACTERS = 200;
const API = '/api/v2';
/** `/api`, `/v2`, `/api/v1`, `/api/v2`: any version. */
const ANY_API = /^\/(?:api(?:\/v\d+)?|v\d+)(?=\/|$)/;

/** Where other services have the same. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['/swagger', '/docs'],
  ['/swagger-ui', '/docs'],
  ['/swagger-ui.html', '/docs'],
  ['/redoc', '/docs'],
  ['/api-docs', '/docs'],
  ['/openapi', '/openapi.json'],
  ['/openapi.yaml', '/openapi.json'],
  ['/swagger.json', '/openapi.json'],
  ['/asyncapi', '/asyncapi.json'],
  ['/healthz', '/health/live'],
  ['/livez', '/health/live'],
  ['/readyz', '/health/ready'],
]);

/** Undefined when nothing that `exists` resembles the path. */
export function likelyAddress(path: string, exists: (path: string) => boolean): string | undefined {
  if (path.length > PATH_MAX_CHARACTERS) return undefined;
  const plain = path
    .toLowerCase()
    .replace(/\/{2,}/g, '/')
    .replace(/(.)\/$/, '$1');
  const bare = plain.replace(ANY_API, '') || '/';
  const plural = bare.replace(/^\/(image|theme)(?=\/|$)/, '/$1s');
  const meant = [plain, `${API}${plural}`, bare, ELSEWHERE.get(bare)];
  return meant.find((one) => one !== undefined && one !== '/' && one !== path && exists(one));
}
