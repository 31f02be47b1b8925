import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Image } from '../../../src/contract/image.ts';
import { checkedApi, create, png, problem } from '../../services/api.ts';
import { blobPath, DAMAGES } from '../../services/damage.ts';
import { eventually } from '../../services/data-folder.ts';
import { valueAt } from '../../services/metrics.ts';
import { startService } from '../../services/service.ts';

/** Within one chunk of a reading, and in several. */
const SIZES = { small: 30, large: 500 };

for (const cache of ['0', '64']) {
  describe(`with DELIVERY_CACHE_MB=${cache}`, async () => {
    const service = await startService({ DELIVERY_CACHE_MB: cache });
    after(() => service.close());
    const api = await checkedApi(service.url);
    const url = ({ content }: Image) => service.url + content.url;
    const linesAbout = (sha256: string) =>
      service.log.filter((line) => line.sha256 === sha256 && line.level === 'ERROR');

    for (const [damage, cause] of Object.entries(DAMAGES)) {
      for (const [size, pixels] of Object.entries(SIZES)) {
        if (size === 'large' && damage !== 'flipped') continue;
        if (cache === '64' && damage !== 'flipped' && damage !== 'cut') continue;
        test(`a ${size} file that is ${damage} is never given out; sending it again repairs it`, async () => {
          const bytes = await png(pixels, pixels);
          const image = await create(api, {}, bytes);
          const { sha256 } = image.content;
          await cause(blobPath(service.dataDir, sha256));

          // Of a flipped bit the first answer may break off; then it is known.
          if (damage !== 'flipped') await problem(await fetch(url(image)), 503, 'content_damaged');
          else assert.notDeepEqual(await statusOf(url(image)), 200);
          await problem(await fetch(url(image)), 503, 'content_damaged');
          for (const range of ['bytes=0-9', 'bytes=0-1,4-5']) {
            const answer = await fetch(url(image), { headers: { range } });
            await problem(answer, 503, 'content_damaged');
            for (const name of ['etag', 'content-range', 'last-modified']) {
              assert.equal(answer.headers.get(name), null, name);
            }
            assert.equal(answer.headers.get('cache-control'), 'no-store');
          }
          await eventually(() => assert.equal(linesAbout(sha256).length, 1));
          assert.deepEqual(linesAbout(sha256)[0]!.images, [image.id]);
          const label = { missing: 'missing', flipped: 'hash' }[damage] ?? 'size';
          const series = `dnd_damaged_blobs{damage="${label}"}`;
          assert.equal(await valueAt(service.url, series), 1);

          await create(api, {}, bytes);
          const healed = await fetch(url(image));
          assert.equal(healed.status, 200);
          assert.deepEqual(Buffer.from(await healed.arrayBuffer()), bytes);
          assert.equal(await valueAt(service.url, series), 0);
        });
      }
    }

    test('replacing the content by the same bytes repairs it too', async () => {
      const bytes = await png(40, 40);
      const image = await create(api, {}, bytes);
      await DAMAGES.flipped(blobPath(service.dataDir, image.content.sha256));
      const headers = { 'content-type': 'image/png' };
      const put = await api(`/api/v2/images/${image.id}/content`, {
        method: 'PUT',
        headers,
        body: new Uint8Array(bytes),
      });
      assert.equal(put.status, 200);
      const healed = await fetch(url(image));
      assert.deepEqual(Buffer.from(await healed.arrayBuffer()), bytes);
    });
  });
}

/** `broken`: the answer ended before its end. */
async function statusOf(url: string): Promise<number | 'broken'> {
  try {
    const answer = await fetch(url);
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 'broken';
  }
}
