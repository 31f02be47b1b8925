import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DecoderPool, type DecoderPoolOptions } from '../../src/media/decoder-pool.ts';
import type { Edit } from '../../src/media/inspector.ts';
import { applyEdits } from '../../src/media/location/apply.ts';

/** A pool and a folder for its files, both gone when the test ends. */
export async function inspecting(t: TestContext, options: Partial<DecoderPoolOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'media-'));
  const pool = new DecoderPool(options);
  t.after(async () => {
    await pool.close();
    await rm(folder, { recursive: true });
  });
  let files = 0;
  const keep = async (bytes: Uint8Array) => {
    const path = join(folder, `${++files}.bin`);
    await writeFile(path, bytes);
    return path;
  };
  return {
    pool,
    folder,
    keep,
    inspect: async (bytes: Uint8Array) => pool.inspect(await keep(bytes), call()),
    edited: async (bytes: Uint8Array, edits: Edit[]) => {
      const path = await keep(bytes);
      await applyEdits(path, `${path}.edited`, edits);
      return readFile(`${path}.edited`);
    },
  };
}

export function call({ signal = new AbortController().signal, ms = 60_000 } = {}) {
  return { signal, deadline: Date.now() + ms };
}
