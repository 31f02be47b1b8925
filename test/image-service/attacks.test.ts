import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import type { Image } from '../../src/contract/image.ts';
import { CONTENT_MAX_BYTES, MULTIPART_MAX_PARTS } from '../../src/contract/limits.ts';
import { HOSTILE, ODD_BUT_TAKEN } from '../fixtures/hostile.ts';
import { largeMap } from '../fixtures/images.ts';
import { LOCATED, tellsPlace } from '../fixtures/located.ts';
import { form, type Part, png, REQUIRED } from '../services/api.ts';
import { contentsOf, eventually } from '../services/data-folder.ts';
import { startService } from '../services/service.ts';
import { attacked, FORM_HEAD, IMAGES, multipart } from './attacked.ts';

/** What the service withstands, through every door that HTTP has for bytes. */

const { service, api, content, doors, sendForm, assertNothingStored, refused, testThatItLives } =
  await attacked();

// Beside the other tests, since it takes ten seconds; on its own, since its file would be seen.
const crawling = crawl();

for (const { name, bytes, expected } of HOSTILE) {
  test(`refused at every door: ${name}`, async () => {
    const hostile = await bytes();
    for (const send of doors) {
      await refused(await send(hostile), ...expected);
      await assertNothingStored();
    }
  });
}

describe('an upload', { concurrency: true }, () => {
  for (const method of ['POST', 'PUT'] as const) {
    test(`without end and length is cut at the limit: ${method}`, async () => {
      const { request, answer } = open(method, { 'transfer-encoding': 'chunked' });
      request.write(method === 'POST' ? FORM_HEAD : '');
      request.write((await png(64, 64)).subarray(0, 1_000));
      const filler = Buffer.alloc(256 * 1024, 7);
      let sent = 0;
      let done = false;
      void answer.then(() => {
        done = true;
      });
      for (; !done; sent += filler.length) {
        if (!request.write(filler)) await Promise.race([answer, once(request, 'drain')]);
      }
      assert.match(await answer, /^413 .*"content_too_large"/);
      assert.ok(sent < 4 * CONTENT_MAX_BYTES, `${sent} bytes were taken`);
      request.destroy();
    });
  }

  for (const method of ['POST', 'PUT'] as const) {
    test(`whose client leaves half-way leaves nothing: ${method}`, async () => {
      const { request, answer } = open(method, { 'content-length': '500000' });
      request.write(method === 'POST' ? FORM_HEAD : '');
      request.write(await png(64, 64));
      await eventually(async () =>
        assert.notDeepEqual((await contentsOf(service.dataDir)).incoming, []),
      );
      request.destroy();
      await answer;
    });
  }
});

test('after all that, nothing is stored', assertNothingStored);

test('one byte more than a file may have is refused whole, at every door', async () => {
  const head = (await png(64, 64)).subarray(0, 1_000);
  const bytes = Buffer.concat([head, Buffer.alloc(CONTENT_MAX_BYTES + 1 - head.length)]);
  for (const send of doors) {
    await refused(await send(bytes), 'content_too_large');
    await assertNothingStored();
  }
});

test('500 small parts are refused by their number, whatever they are', async () => {
  const file = await png();
  for (const part of [
    ['tags', 'a'],
    ['image', file],
    ['x', file],
  ] as Part[]) {
    const parts = Array<Part>(500).fill(part);
    const body = () => form(...REQUIRED, ['image', file], ...parts);
    const response = await api(IMAGES, { method: 'POST', body: body() });
    assert.match(await response.clone().text(), new RegExp(`up to ${MULTIPART_MAX_PARTS} parts`));
    await refused(response, 'invalid_request');
    await refused(await api(content, { method: 'PUT', body: body() }), 'invalid_request');
    await assertNothingStored();
  }
});

test('a form whose file is good and whose rest is not stores nothing', async () => {
  const file = await png();
  const head = multipart(file, 'a.png');
  for (const body of [
    head.subarray(0, -10),
    Buffer.concat([head.subarray(0, -4), Buffer.from('\r\nContent-Disposition: form-data')]),
  ]) {
    await refused(await sendForm(body), 'invalid_request');
    await assertNothingStored();
  }
});

test('what only looks suspicious is stored and delivered as what its bytes are', async () => {
  for (const { name, bytes, mediaType, filename } of ODD_BUT_TAKEN) {
    const sent = await bytes();
    const response = await doors[0](sent, filename);
    const image = (await response.json()) as Image;
    assert.equal(response.status, 201, name);
    const delivered = await api(image.content.url);
    assert.deepEqual(Buffer.from(await delivered.arrayBuffer()), sent, name);
    assert.equal(delivered.headers.get('content-type'), mediaType);
    assert.equal(delivered.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(delivered.headers.get('content-security-policy'), "default-src 'none'; sandbox");
  }
});

test('the place where a picture was made is not delivered, whichever door it came by', async () => {
  for (const { name, bytes } of LOCATED.slice(0, 6)) {
    const sent = await bytes();
    for (const send of doors) {
      const response = await send(sent);
      const image = (await response.json()) as Image;
      assert.ok(response.ok, name);
      assert.notEqual(image.content.sha256, image.content.source_sha256, name);
      const delivered = await (await api(image.content.url)).arrayBuffer();
      assert.equal(delivered.byteLength, image.content.size_bytes);
      assert.equal(tellsPlace(Buffer.from(delivered)), false, name);
    }
  }
});

test('20 maps of 144 megapixels at once are taken, or asked to come again; none is lost', async () => {
  const map = await largeMap();
  const send = async (): Promise<Image> => {
    const response = await doors[0](map);
    if (response.status === 201) return (await response.json()) as Image;
    assert.ok([429, 503].includes(response.status), await response.text());
    assert.ok(response.headers.get('retry-after'));
    return send();
  };
  const images = await Promise.all(Array.from({ length: 20 }, send));
  assert.equal(new Set(images.map(({ id }) => id)).size, 20);
});

test('a body of one byte a second is ended, and leaves nothing', async () => {
  const { answer, left } = await crawling;
  assert.match(answer, /^408 .*"request_timeout"/);
  assert.deepEqual(left, { incoming: [], blobs: [] });
});

testThatItLives();

/** A request whose body is written piece by piece; the answer is its status and body. */
function open(method: 'POST' | 'PUT', headers: Record<string, string>, { url } = service) {
  const type = method === 'POST' ? 'multipart/form-data; boundary=b' : 'image/png';
  const request = httpRequest(url + (method === 'POST' ? IMAGES : content), {
    method,
    headers: { 'content-type': type, ...headers },
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  request.on('error', () => resolve('the connection broke'));
  request.on('response', async (response: IncomingMessage) => {
    const body = (await response.setEncoding('utf8').toArray()).join('');
    resolve(`${response.statusCode} ${body}`);
  });
  return { request, answer: promise };
}

/** Sends one byte a second to a service of its own. */
async function crawl() {
  await using crawled = await startService();
  const { request, answer } = open('PUT', { 'content-length': '100000' }, crawled);
  const bytes = await png(64, 64);
  let sent = 0;
  const timer = setInterval(() => request.write(bytes.subarray(sent, ++sent)), 1_000);
  const told = await answer;
  clearInterval(timer);
  request.destroy();
  await eventually(async () => {
    assert.deepEqual((await contentsOf(crawled.dataDir)).incoming, []);
  });
  const { incoming, blobs } = await contentsOf(crawled.dataDir);
  return { answer: told, left: { incoming, blobs } };
}
