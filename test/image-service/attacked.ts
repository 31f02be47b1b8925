import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ERROR_CODES } from '../../src/contract/errors.ts';
import { create, form, REQUIRED } from '../services/api.ts';
import { contentsOf, eventually } from '../services/data-folder.ts';
import { startService } from '../services/service.ts';

export const IMAGES = '/api/v2/images';

/** A service with one image, which attacks must leave alone. */
export async function attacked() {
  const service = await startService();
  after(() => service.close());
  const api = (path: string, init?: RequestInit) => fetch(service.url + path, init);
  const target = await create(api);
  const content = `${IMAGES}/${target.id}/content`;
  let before = await contentsOf(service.dataDir);

  return {
    service,
    api,
    target,
    /** The address of the bytes of the one image. */
    content,

    /** Every way that HTTP has for bytes. */
    doors: [
      (bytes: Uint8Array, name = 'a.png') =>
        api(IMAGES, { method: 'POST', body: form(['image', bytes, name], ...REQUIRED) }),
      (bytes: Uint8Array, name = 'a.png') =>
        api(content, { method: 'PUT', body: form(['image', bytes, name]) }),
      (bytes: Uint8Array) =>
        api(content, { method: 'PUT', body: bytes, headers: { 'content-type': 'image/png' } }),
    ] as const,

    sendForm(body: Uint8Array): Promise<Response> {
      const headers = { 'content-type': 'multipart/form-data; boundary=b' };
      return api(IMAGES, { method: 'POST', body, headers });
    },

    async assertNothingStored(): Promise<void> {
      const check = async () => assert.deepEqual(await contentsOf(service.dataDir), before);
      await eventually(check, 5_000);
    },

    /** What is stored by now was meant to be. */
    async storedOnPurpose(): Promise<void> {
      before = await contentsOf(service.dataDir);
    },

    /** Asserts that an answer is a problem of the client's with one of these codes. */
    async refused(response: Response, ...codes: string[]): Promise<void> {
      const body = await response.text();
      const { code, status, title, detail, request_id } = JSON.parse(body);
      assert.match(response.headers.get('content-type')!, /^application\/problem\+json/, body);
      assert.ok(codes.includes(code), `${code}, not ${codes}: ${body}`);
      assert.equal(status, response.status);
      assert.ok(status >= 400 && status < 500, body);
      assert.ok((ERROR_CODES as readonly string[]).includes(code));
      assert.ok(title && detail && request_id);
      assert.doesNotMatch(body, /vips|sqlite|node_modules|\.ts\b|\bE[A-Z]{4,}:|\bat .*:\d+/i);
      assert.ok(!body.includes(service.dataDir));
    },

    /** To be called last. */
    testThatItLives(): void {
      test('nothing in all this was a fault of the service', async () => {
        assert.deepEqual(
          service.log.filter(({ level }) => level === 'ERROR'),
          [],
        );
        assert.equal((await api('/health')).status, 200);
      });
    },
  };
}

/** The begin of a form, up to the bytes of its file. */
export const FORM_HEAD = REQUIRED.map(
  ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
)
  .concat('--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n')
  .join('');

/** A whole form with boundary `b`; the name of the file goes in as it is. */
export function multipart(file: Uint8Array, filename: string): Buffer {
  const head = FORM_HEAD.replace('"a.png"', () => `"${filename}"`);
  return Buffer.concat([Buffer.from(head), file, Buffer.from('\r\n--b--\r\n')]);
}
