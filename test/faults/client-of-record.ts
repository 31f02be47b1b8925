import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import type { Image } from '../../src/contract/image.ts';
import { form, REQUIRED } from '../services/api.ts';

/** What an image must be, as far as its sender was told. */
type Promised = {
  /** Any of these: an unanswered replacement may have happened or not. */
  sha256: Set<string>;
  /** null: its deletion was not answered. */
  deleted: boolean | null;
};

type Unanswered = { key: string; bytes: Uint8Array };

/**
 * Sends changes to a service that may die at any moment, and remembers what was promised. Every
 * upload carries an Idempotency-Key, and one that was not answered is repeated until it is.
 */
export class ClientOfRecord {
  readonly promised = new Map<string, Promised>();
  #unanswered: Unanswered[] = [];

  /** Fails when the service does. */
  async upload(url: string, bytes: Uint8Array): Promise<Image> {
    const upload = { key: randomUUID(), bytes };
    this.#unanswered.push(upload);
    return this.#send(url, upload);
  }

  /** Sends again what was not answered. */
  async repeat(url: string): Promise<void> {
    for (const upload of [...this.#unanswered]) await this.#send(url, upload);
  }

  async replace(url: string, id: string, bytes: Uint8Array): Promise<void> {
    const { sha256 } = this.promised.get(id)!;
    const fresh = sha256Of(bytes);
    sha256.add(fresh);
    const response = await fetch(`${url}/api/v2/images/${id}/content`, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
    });
    const image = (await response.json()) as Image;
    assert.equal(response.status, 200, JSON.stringify(image));
    this.promised.get(id)!.sha256 = new Set([fresh]);
  }

  async delete(url: string, id: string): Promise<void> {
    const promised = this.promised.get(id)!;
    promised.deleted = null;
    const response = await fetch(`${url}/api/v2/images/${id}`, { method: 'DELETE' });
    assert.equal(response.status, 204);
    promised.deleted = true;
  }

  /** A form that is refused for its fields after its file was taken. */
  async refused(url: string, bytes: Uint8Array): Promise<void> {
    const body = form(['image', bytes], ['type', 'portrait'], ['theme', 'fantasy']);
    const response = await fetch(`${url}/api/v2/images`, { method: 'POST', body });
    await response.body?.cancel();
    assert.equal(response.status, 400);
  }

  /** Asserts that every promise is kept, and that nothing is there that was not promised. */
  async check(url: string): Promise<void> {
    assert.equal(this.#unanswered.length, 0, 'repeat first');
    for (const [id, { sha256, deleted }] of this.promised) {
      const response = await fetch(`${url}/api/v2/images/${id}/content`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (deleted === null && response.status === 404) continue;
      assert.equal(response.status, deleted ? 404 : 200, `image ${id}`);
      if (!deleted) assert.ok(sha256.has(sha256Of(bytes)), `the bytes of image ${id} are others`);
    }
  }

  async #send(url: string, { key, bytes }: Unanswered): Promise<Image> {
    const body = form(['image', bytes], ...REQUIRED);
    const headers = { 'idempotency-key': key };
    const response = await fetch(`${url}/api/v2/images`, { method: 'POST', body, headers });
    const image = (await response.json()) as Image;
    assert.equal(response.status, 201, JSON.stringify(image));
    this.#unanswered = this.#unanswered.filter((upload) => upload.key !== key);
    // Of bytes that hold location data only the answer tells what they are without.
    const { sha256, source_sha256 } = image.content;
    assert.equal(source_sha256, sha256Of(bytes));
    this.promised.set(image.id, { sha256: new Set([sha256]), deleted: false });
    return image;
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
