import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { type RunningService, startService } from '../services/service.ts';

const README = await readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** The fenced blocks of a language, in order. */
function blocks(language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms');
  return [...README.matchAll(fence)].map((match) => match[1]!.replaceAll('\\\n', ' '));
}

/** What a run decides itself: ids, times, hashes, and facts of the file. */
const VARIES = /^(id|url|sha256|source_sha256|size_bytes|width|height|placeholder|palette|.*_at)$/;

function fixed(key: string, value: unknown): unknown {
  return VARIES.test(key) && value !== null ? typeof value : value;
}

describe('the example of the README', () => {
  let service: RunningService;
  before(async () => {
    service = await startService();
  });
  after(() => service.close());

  test('is answered as it says, and then found as it says', async () => {
    const upload = blocks('sh').find((block) => block.includes('-F image='))!;
    const form = new FormData();
    for (const [, quoted, bare] of upload.matchAll(/-F (?:'([^']*)'|(\S+='[^']*'|\S+))/g)) {
      const [name, value] = (quoted ?? bare!).replaceAll("'", '').split(/=(.*)/s);
      if (name !== 'image') form.append(name!, value!);
      else form.append('image', new Blob([new Uint8Array(await png())]), value!.slice(1));
    }
    const path = new URL(upload.match(/http\S+/)![0]).pathname;
    const answer = await fetch(service.url + path, { method: 'POST', body: form });
    assert.equal(answer.status, 201);
    const image = await answer.text();
    const shown = blocks('json')[0]!;
    assert.deepEqual(JSON.parse(image, fixed), JSON.parse(shown, fixed));

    const search = blocks('sh').find((block) => block.includes('?theme='))!;
    const { pathname, search: query } = new URL(search.match(/http[^']+/)![0]);
    const found = await fetch(service.url + pathname + query);
    const { items } = (await found.json()) as { items: object[] };
    assert.deepEqual(items, [JSON.parse(image)]);
  });
});

function png(): Promise<Buffer> {
  const create = { width: 40, height: 40, channels: 3 as const, background: '#307050' };
  return sharp({ create }).png().toBuffer();
}
