import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { JSON_TYPE, SHARED_SCHEMAS } from './answers.ts';

const description = (
  basePath: string,
) => `Takes in, keeps, organises, finds and delivers portraits, tokens, maps and item art, by theme.

**Visibility is not enforced yet.** It is kept, returned and filtered, but until access control exists every image, \
private ones included, can be read and changed by whoever reaches this service. \`owner\` is always null.

Every error is RFC 9457 \`application/problem+json\` with a stable \`code\`. \
Any write may carry an \`Idempotency-Key\`, which makes repeating it harmless.

Other services ask the same over the message hub: [asyncapi.json](${basePath}/asyncapi.json) describes its messages.`;

/** Swagger UI sets styles from its script, and draws its icons from data: addresses. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

type Element = (props: { isIncludedOptions: object }) => unknown;
type Page = { React: { createElement(component: Element, props: object): unknown } };

/**
 * A plugin of the page, which gets its text. Swagger UI ticks "Send empty value" of every field of a
 * form that may be absent, and has no option for it.
 */
function sendOnlyWhatIsFilledIn() {
  return {
    wrapComponents: {
      ParameterIncludeEmpty:
        (Tick: Element, { React }: Page): Element =>
        (props) => {
          const isIncludedOptions = { ...props.isIncludedOptions, defaultValue: false };
          return React.createElement(Tick, { ...props, isIncludedOptions });
        },
    },
  };
}

/** Collects the schemas of the routes that are registered after it. */
export async function describeRoutes(
  server: FastifyInstance,
  { version, basePath }: { version: string; basePath: string },
): Promise<void> {
  for (const schema of SHARED_SCHEMAS) server.addSchema(schema);
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'D&D Image Service',
        version,
        description: description(basePath),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: basePath || '/', description: 'this service' }],
      // Until there is access control.
      security: [],
      tags: [
        { name: 'images', description: 'upload, describe, find' },
        { name: 'content', description: 'the bytes' },
        { name: 'themes', description: 'the theme vocabulary' },
        { name: 'health', description: 'whether it works' },
      ],
    },
    hideUntagged: true,
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, index) => String(json.$id ?? `def-${index}`),
    },
  });
}

/** The OpenAPI document, and the page that shows it and tries it out. */
export async function docsRoutes(
  scope: FastifyInstance,
  { basePath }: { basePath: string },
): Promise<void> {
  let document: string | undefined;
  scope.get('/openapi.json', (_request, reply) => {
    // Built when first asked for: a start need not wait for it.
    document ??= JSON.stringify(scope.swagger());
    reply.type(JSON_TYPE).header('cache-control', 'no-cache').send(document);
  });
  scope.get('/', (_request, reply) => reply.redirect(`${basePath}/docs`));

  await scope.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: basePath,
    staticCSP: PAGE_POLICY,
    uiConfig: {
      layout: 'BaseLayout',
      displayRequestDuration: true,
      plugins: [sendOnlyWhatIsFilledIn],
    },
    theme: { title: 'D&D Image Service' },
  });
}
