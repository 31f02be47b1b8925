import { createHash, randomUUID } from 'node:crypto';
import sharp from 'sharp';
import type { Image } from '../../../src/contract/image.ts';
import type {
  ContentClaim,
  CreateImage,
  Storage,
  WriteCall,
} from '../../../src/contract/storage.ts';

/** What the suites ask of a Storage again and again. `opened` gives the one under test. */
export function drive(opened: () => Storage) {
  const accept = async (bytes: Uint8Array, call: WriteCall, filename: string | null = 'a.png') =>
    (await opened().acceptContent(chunks(bytes), { filename }, call)).claim;
  const create = async (fields: Partial<CreateImage> = {}, bytes?: Uint8Array) => {
    const write = writeCall();
    const claim = await accept(bytes ?? (await png()), write);
    return (await opened().createImage(fieldsOf(fields), claim, write)).value;
  };
  const bytesOf = async (sha256: string, first?: number, last?: number) => {
    const range = first === undefined ? null : { first, last: last! };
    const { bytes } = await opened().getContent(sha256, range, writeCall());
    return Buffer.concat(await Array.fromAsync(bytes));
  };

  return { accept, create, bytesOf };
}

export function writeCall(): WriteCall {
  return {
    operationId: randomUUID(),
    requestId: 'test',
    deadline: Date.now() + 20_000,
    signal: AbortSignal.timeout(20_000),
  };
}

export function fieldsOf(fields: Partial<Image & CreateImage>): CreateImage {
  return { type: 'portrait', name: 'Nameless', theme: 'fantasy', ...fields } as CreateImage;
}

export function claimOf(bytes: Uint8Array): ContentClaim {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha256, size_bytes: bytes.length, media_type: 'image/png', filename: null };
}

/** Another image every time. */
export function png({ width = 20, height = 20 } = {}): Promise<Buffer> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 40 };
  const create = { width, height, channels: 3 as const, background: '#000', noise };
  return sharp({ create }).png().toBuffer();
}

export async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
