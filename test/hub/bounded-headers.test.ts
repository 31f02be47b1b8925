import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import '../../src/hub/amqp/bounded-headers.ts';

type Frame = { bodySize: number; fields: Record<string, unknown> };
type Codec = { decodeFrame(read: (size: number) => Promise<Buffer>): Promise<Frame> };
const codec = createRequire(import.meta.url)('rabbitmq-client/lib/codec.js') as Codec;

const FRAME_END = Buffer.from([206]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const short = (text: string) => Buffer.from([text.length, ...Buffer.from(text)]);

/** A header frame of a message of one byte with a content type, these headers, and a message id. */
function frameOf(table: Buffer): Buffer {
  const props = [short('application/json'), u32(table.length), table, short('m-1')];
  const head = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xa0, 0x80];
  const payload = Buffer.concat([Buffer.from(head), ...props]);
  return Buffer.concat([Buffer.from([2, 0, 1]), u32(payload.length), payload, FRAME_END]);
}

async function decoded(frame: Buffer): Promise<Frame> {
  let at = 0;
  return codec.decodeFrame(async (size) => {
    at += size;
    return frame.subarray(at - size, at);
  });
}

/** One header `x`: arrays (`A`) or tables (`F`) within each other, with nothing in the last. */
function nested(kind: 'A' | 'F', levels: number): Buffer {
  const parts: Buffer[] = [];
  const step = kind === 'A' ? 5 : 6;
  for (let level = levels; level > 0; level -= 1) {
    const inner = (level - 1) * step + (kind === 'A' ? 1 : 2);
    parts.push(Buffer.from(kind), u32(inner), Buffer.alloc(step - 5));
  }
  return Buffer.concat([short('x'), ...parts, Buffer.from('V')]);
}

describe('headers of a message', () => {
  test('come as they were sent', async () => {
    const { fields, bodySize } = await decoded(frameOf(nested('A', 2)));
    assert.deepEqual(fields, {
      contentType: 'application/json',
      headers: { x: [[null]] },
      messageId: 'm-1',
    });
    assert.equal(bodySize, 1);
  });

  for (const [kind, levels] of [
    ['A', 1_600],
    ['A', 26_000],
    ['F', 21_000],
  ] as const) {
    test(`nested ${levels} deep (${kind}) do not stop whoever reads them`, async () => {
      const { fields } = await decoded(frameOf(nested(kind, levels)));
      assert.equal(fields.messageId, 'm-1');
      assert.deepEqual(Object.keys(fields.headers as object), levels > 2_000 ? [] : ['x']);
    });
  }
});
