import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { checkedApi, create, problem } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

const ALLOWED = 'https://table.example';
const service = await startService();
const sharing = await startService({ CORS_ORIGINS: ALLOWED });
const proxied = await startService({ TRUST_PROXY: 'on', HOST: '0.0.0.0' });
after(() => Promise.all([service.close(), sharing.close(), proxied.close()]));
const api = await checkedApi(service.url);
const shared = await checkedApi(sharing.url);

/** `fetch` does not let the caller set these headers. */
async function send(
  port: number,
  method: string,
  headers: Record<string, string> | string[],
  options: { setHost?: boolean; path?: string } = {},
) {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const path = '/api/v2/themes/horror';
  const to = { port, host: '127.0.0.1', method, path, headers, ...options };
  const sent = request(to, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk) => chunks.push(chunk));
    answer.on('end', () => {
      const got = new Headers(answer.headers as Record<string, string>);
      const body = Buffer.concat(chunks);
      resolve(
        new Response(body.length ? body : null, { status: answer.statusCode!, headers: got }),
      );
    });
  });
  sent.on('error', reject).end();
  return promise;
}

test('a page of another site may not write', async () => {
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:1' },
    { origin: 'nonsense' },
    { origin: 'null', 'sec-fetch-site': 'same-site' },
    { origin: 'chrome-extension://127.0.0.1' },
    { origin: service.url, 'sec-fetch-site': 'cross-site' },
    { origin: service.url.replace('127', '[::1') },
    { origin: service.url.replace('//', '//user@') },
    { origin: `${service.url}/` },
    { 'sec-fetch-site': 'Cross-Site' },
    { 'sec-fetch-site': 'Same-Origin' },
    { 'sec-fetch-site': 'cross-site, same-origin' },
    { 'sec-fetch-site': 'same-origin, cross-site' },
    { 'sec-fetch-site': 'unknown' },
    { 'sec-fetch-site': 'cross-site', host: 'localhost' },
  ] as Record<string, string>[]) {
    await problem(await send(service.port, 'PUT', headers), 403, 'request_forbidden');
    await problem(await send(service.port, 'DELETE', headers), 403, 'request_forbidden');
    assert.equal((await send(service.port, 'GET', headers)).status, 200);
  }
});

test('its own pages and programs may', async () => {
  for (const headers of [
    {},
    { origin: service.url },
    { origin: service.url, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ] as Record<string, string>[]) {
    await problem(await send(service.port, 'PUT', headers), 400, 'invalid_request');
  }
});

test('a request without a Host is told so, and an unknown expectation is not met', async () => {
  for (const { port } of [service, proxied]) {
    const answer = await send(port, 'GET', {}, { setHost: false });
    await problem(answer, 400, 'invalid_request');
  }
  assert.equal((await send(service.port, 'GET', { expect: '200-ok' })).status, 200);
});

test('a request with two Hosts is refused, whichever is first', async () => {
  for (const { port } of [service, proxied]) {
    for (const hosts of [
      ['localhost', 'evil.example'],
      ['evil.example', 'localhost'],
      ['localhost', 'localhost'],
    ]) {
      const headers = hosts.flatMap((host, index) => [index ? 'HOST' : 'Host', host]);
      await problem(await send(port, 'GET', headers, { setHost: false }), 400, 'invalid_request');
    }
  }
});

test('a target that names another server is refused on the loopback, whatever the Host', async () => {
  const ask = (authority: string) => {
    const path = `http://${authority}/api/v2/themes/horror`;
    return send(service.port, 'GET', { host: 'localhost' }, { path });
  };
  for (const authority of ['evil.example', 'localhost@evil.example', 'localhost.evil:80']) {
    await problem(await ask(authority), 403, 'request_forbidden');
  }
  assert.equal((await ask('localhost:8000')).status, 200);
});

test('a proxy that names the port, another host, or none, is no other site', async () => {
  const own = 'https://images.example';
  const ask = (headers: Record<string, string>) => send(proxied.port, 'PUT', headers);
  for (const [origin, headers] of [
    [own, { host: 'images.example:443' }],
    [own, { host: 'images.example:80' }],
    [own, { host: 'IMAGES.example' }],
    [own, { host: 'images.example.' }],
    [`${own}.`, { host: 'images.example' }],
    ['http://images.example', { host: 'images.example:80' }],
    ['http://[::1]', { host: '[::1]:80' }],
    ['https://[fd00::1]:8443', { host: '[FD00::1]:8443' }],
    [own, { host: '127.0.0.1:8000', 'sec-fetch-site': 'same-origin' }],
    ['null', { host: '127.0.0.1:8000', 'sec-fetch-site': 'same-origin' }],
    [own, { host: 'backend', 'x-forwarded-host': 'images.example' }],
    [`${own}:8443`, { host: 'backend', 'x-forwarded-host': 'images.example:8443' }],
    [`${own}:8443`, { host: 'images.example', 'x-forwarded-port': '8443' }],
  ] as [string, Record<string, string>][]) {
    await problem(await ask({ origin, ...headers }), 400, 'invalid_request');
  }
  for (const [origin, headers] of [
    [own, { host: 'images.example:8443' }],
    [own, { host: 'other.example:443' }],
    ['http://images.example', { host: 'images.example:443' }],
    [own, { host: 'x@images.example' }],
    [own, { host: 'images.example/x' }],
    ['https://images.example.evil', { host: 'images.example' }],
    [own, { host: 'images.example', 'sec-fetch-site': 'cross-site' }],
    [own, { host: 'backend', 'x-forwarded-host': 'evil.example, other.example' }],
    [own, { host: 'evil.example', 'x-forwarded-port': '443' }],
  ] as [string, Record<string, string>][]) {
    const { detail } = await problem(await ask({ origin, ...headers }), 403, 'request_forbidden');
    assert.ok(detail.includes(`The page's origin is ${origin}, and the request is for the host`));
  }
  const port = { origin: `${service.url}0`, 'x-forwarded-port': `${service.port}0` };
  await problem(await send(service.port, 'PUT', port), 403, 'request_forbidden');
});

test('a page that was rebound to the loopback may not write, whatever its browser says', async () => {
  const rebound = { host: 'evil.example', origin: 'http://evil.example' };
  const headers = { ...rebound, 'sec-fetch-site': 'same-origin' };
  await problem(await send(service.port, 'PUT', headers), 403, 'request_forbidden');
  const { detail } = await problem(
    await send(proxied.port, 'PUT', { 'sec-fetch-site': 'cross-site' }),
    403,
    'request_forbidden',
  );
  assert.match(detail, /calls this request cross-site/);
});

test('on the loopback only names of the loopback are answered', async () => {
  for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil:80', '10.0.0.1']) {
    await problem(await send(service.port, 'GET', { host }), 403, 'request_forbidden');
  }
  for (const host of [
    'localhost',
    'LOCALHOST:8000',
    '127.0.0.1:1',
    '[::1]:80',
    'localhost:',
    'localhost.:8000',
    '127.9.9.9',
  ]) {
    assert.equal((await send(service.port, 'GET', { host })).status, 200, host);
  }
  assert.equal((await send(proxied.port, 'GET', { host: 'images.example' })).status, 200);
});

test('pages of allowed origins may write and read the answer', async () => {
  const headers = { origin: ALLOWED, 'sec-fetch-site': 'cross-site' };
  const response = await send(sharing.port, 'PUT', headers);
  await problem(response.clone(), 400, 'invalid_request');
  assert.equal(response.headers.get('access-control-allow-origin'), ALLOWED);
  assert.match(response.headers.get('access-control-expose-headers')!, /Retry-After/);
  assert.equal(response.headers.get('vary'), 'Origin');
  const other = await send(sharing.port, 'GET', { origin: 'https://other.example' });
  assert.equal(other.headers.get('access-control-allow-origin'), null);
});

test('images in memory are shared and guarded like all else', async () => {
  const { content } = await create(shared);
  const ask = async (headers: Record<string, string>) => {
    const answer = await send(sharing.port, 'GET', headers, { path: content.url });
    await answer.clone().arrayBuffer();
    return answer;
  };
  for (const time of ['from storage', 'from memory']) {
    const plain = await ask({});
    assert.equal(plain.status, 200, time);
    assert.equal(plain.headers.get('vary'), 'Origin', time);
    const read = await ask({ origin: ALLOWED });
    assert.equal(read.headers.get('access-control-allow-origin'), ALLOWED, time);
    await problem(await ask({ host: 'evil.example' }), 403, 'request_forbidden');
  }
});

test('a preflight is answered for allowed origins alone', async () => {
  const ask = (origin: string) =>
    shared('/api/v2/themes/horror', {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type,idempotency-key',
      },
    });
  const yes = await ask(ALLOWED);
  assert.equal(yes.status, 204);
  assert.equal(yes.headers.get('access-control-allow-origin'), ALLOWED);
  assert.equal(yes.headers.get('access-control-allow-methods'), 'GET, HEAD, PUT, DELETE, OPTIONS');
  assert.match(yes.headers.get('access-control-allow-headers')!, /idempotency-key/);
  const no = await ask('https://other.example');
  assert.equal(no.headers.get('access-control-allow-methods'), null);
});

test('a request keeps its id when that is plain, else gets a new one', async () => {
  const idOf = async (id: string) => {
    const { headers } = await api('/health/live', { headers: { 'x-request-id': id } });
    return headers.get('x-request-id');
  };
  assert.equal(await idOf('a.b-c_1'), 'a.b-c_1');
  for (const id of ['a b', 'x'.repeat(65), '<script>', '']) assert.notEqual(await idOf(id), id);
});

test('forwarded addresses and users are believed only behind a trusted proxy', async () => {
  const headers = {
    'x-user-id': 'eve',
    'idempotency-key': 'k',
    'content-type': 'application/json',
  };
  const put = async (url: string, user: string) =>
    fetch(`${url}/api/v2/themes/of_users`, {
      method: 'PUT',
      body: '{}',
      headers: { ...headers, 'x-user-id': user },
    });
  const replayed = async (url: string) => {
    await put(url, 'eve');
    return (await put(url, 'adam')).headers.get('idempotent-replayed');
  };
  assert.equal(await replayed(service.url), 'true');
  assert.equal(await replayed(proxied.url), null);
});
