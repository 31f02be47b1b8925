import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Image } from '../../src/contract/image.ts';
import { CONTENT_MAX_BYTES } from '../../src/contract/limits.ts';
import { eventually } from '../services/data-folder.ts';
import { type RunningService, startService } from '../services/service.ts';

/** The examples in deploy/proxy, run as they are but for ports and certificates. */

const EXAMPLES = fileURLToPath(new URL('../../deploy/proxy/', import.meta.url));
const INSIDE = '127.0.0.1';
const OUTSIDE = '127.0.0.2';
const START_MAX_MS = 20_000;

type Prepared = { folder: string; text: string; upstream: string; port: number };

/** A PNG of one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC',
  'base64',
);

const PROXIES = {
  nginx: {
    example: 'nginx.conf',
    start({ folder, text, upstream, port }: Prepared) {
      const site = text
        .replaceAll('127.0.0.1:8000', upstream)
        .replace('listen 443 ssl', `listen 0.0.0.0:${port} ssl`)
        .replaceAll('/etc/ssl/images.example', join(folder, 'tls'));
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      const temporary = paths.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
      const configuration = `daemon off; master_process off; pid ${folder}/pid; events {}
        http { access_log off; ${temporary} ${site} }`;
      return { file: 'nginx.conf', configuration, args: ['-p', folder, '-e', 'stderr', '-c'] };
    },
  },
  caddy: {
    example: 'Caddyfile',
    start({ text, upstream, port }: Prepared) {
      const site = text
        .replace('reverse_proxy 127.0.0.1:8000', `reverse_proxy ${upstream}`)
        .replace(/^images\.example \{/m, `https://images.example:${port} {\n\ttls tls.pem tls.key`);
      const configuration = `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`;
      const args = ['run', '--adapter', 'caddyfile', '--config'];
      return { file: 'Caddyfile', configuration, args };
    },
  },
} as const;

for (const [name, proxy] of Object.entries(PROXIES)) {
  const skip = missing(name);
  describe(`the example for ${name}`, { skip }, () => {
    const closing = new AsyncDisposableStack();
    let service: RunningService;
    let port: number;
    let ca: Buffer;
    before(async () => {
      service = closing.use(await startService({ TRUST_PROXY: 'on', BASE_PATH: '/art' }));
      const folder = await mkdtemp(join(tmpdir(), 'proxy-'));
      closing.defer(() => rm(folder, { recursive: true }));
      await makeCertificate(folder);
      ca = await readFile(join(folder, 'tls.pem'));
      port = await freePort();
      const text = await readFile(join(EXAMPLES, proxy.example), 'utf8');
      const upstream = `127.0.0.1:${service.port}`;
      const { file, configuration, args } = proxy.start({ folder, text, upstream, port });
      await writeFile(join(folder, file), configuration);
      const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
      const command = [...args, join(folder, file)];
      const child = spawn(name, command, { cwd: folder, env, stdio: 'ignore' });
      closing.defer(() => end(child));
      await eventually(async () => {
        assert.equal((await ask(INSIDE, 'GET', '/health')).status, 200);
      }, START_MAX_MS);
    });
    after(() => closing.disposeAsync());

    /** A request of a machine with this address. */
    async function ask(
      from: string,
      method: string,
      path: string,
      body?: Uint8Array,
      headers: Record<string, string> = {},
    ): Promise<{ status: number; type: string; body: Buffer }> {
      const host = `images.example:${port}`;
      const given = { host, ...(body && { 'content-length': `${body.length}` }), ...headers };
      const connection = { localAddress: from, port, ca, servername: 'images.example' };
      const sent = request({ ...connection, host: INSIDE, method, path, headers: given });
      sent.end(body);
      const [answer] = await once(sent, 'response');
      const chunks = await Array.fromAsync(answer as AsyncIterable<Buffer>);
      const type = answer.headers['content-type'] ?? '';
      return { status: answer.statusCode, type, body: Buffer.concat(chunks) };
    }

    /** As the browser of a machine sends it from a page of this origin. */
    const upload = async (from: string, origin: string) => {
      const form = new FormData();
      for (const [field, value] of Object.entries({ type: 'map', name: 'Inn', theme: 'noir' })) {
        form.append(field, value);
      }
      form.append('image', new Blob([PIXEL]), 'inn.png');
      const encoded = new Response(form);
      const type = encoded.headers.get('content-type')!;
      const body = await encoded.bytes();
      const headers = { 'content-type': type, origin };
      return ask(from, 'POST', '/art/api/v2/images', body, headers);
    };

    test('lets the machine of its operator upload, and everyone look', async () => {
      const created = await upload(INSIDE, `https://images.example:${port}`);
      assert.equal(created.status, 201, created.body.toString());
      const { id, content } = JSON.parse(created.body.toString()) as Image;
      assert.match(content.url, /^\/art\/api\//);
      const bytes = await ask(OUTSIDE, 'GET', content.url);
      assert.deepEqual([bytes.status, bytes.type], [200, 'image/png']);
      assert.deepEqual(bytes.body, PIXEL);
      assert.equal((await ask(OUTSIDE, 'HEAD', content.url)).status, 200);
      assert.equal((await ask(OUTSIDE, 'GET', '/art/docs')).status, 200);

      for (const method of ['PATCH', 'PUT', 'DELETE', 'POST']) {
        const path = `/art/api/v2/images/${id}${method === 'POST' ? '/restore' : ''}`;
        assert.equal((await ask(OUTSIDE, method, path)).status, 403, method);
      }
      assert.equal((await upload(OUTSIDE, `https://images.example:${port}`)).status, 403);
      assert.equal((await ask(INSIDE, 'GET', `/art/api/v2/images/${id}`)).status, 200);
    });

    test('keeps pages of other sites from writing', async () => {
      const refused = await upload(INSIDE, 'https://other.example');
      assert.equal(refused.status, 403);
      assert.match(refused.body.toString(), /"code":"request_forbidden"/);
    });

    test('lets the largest file through to the service', async () => {
      const headers = { 'content-type': 'multipart/form-data; boundary=b' };
      const body = Buffer.alloc(CONTENT_MAX_BYTES + 1024, 'x');
      const answer = await ask(INSIDE, 'POST', '/art/api/v2/images', body, headers);
      assert.equal(answer.status, 400);
      assert.match(answer.type, /^application\/problem\+json/);
    });

    test('shows its metrics to nobody', async () => {
      for (const path of ['/metrics', '/metrics/', '/art/metrics', '/art/metrics/', '//metrics']) {
        assert.equal((await ask(INSIDE, 'GET', path)).status, 404, path);
      }
    });
  });
}

/** Why the tests of a proxy cannot run; in CI that is an error. */
function missing(program: string): string | false {
  try {
    execFileSync(program, [program === 'nginx' ? '-v' : 'version'], { stdio: 'ignore' });
    return false;
  } catch (error) {
    const reason = `${program} is not installed`;
    if (process.env.CI === 'true') throw new Error(reason, { cause: error });
    return reason;
  }
}

async function makeCertificate(folder: string): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const about = ['-subj', '/CN=images.example', '-addext', 'subjectAltName=DNS:images.example'];
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.pem')];
  await promisify(execFile)('openssl', ['req', '-x509', '-days', '1', ...key, ...about, ...files]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
