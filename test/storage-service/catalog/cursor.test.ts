import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageFilter } from '../../../src/contract/image.ts';
import {
  decodeCursor,
  encodeCursor,
} from '../../../src/storage-service/catalog/sqlite/search/cursor.ts';

const KEY = Buffer.alloc(32, 7);
const FILTER: ImageFilter = { tag: ['a', 'b'], attr: { level: ['1'], class: ['x', 'y'] } };
const POSITION = { key: 'name ÿ¿þ?>', seq: 4_711 };
const CURSOR = encodeCursor(POSITION, FILTER, KEY);

function refused(cursor: string, filter = FILTER, key: Uint8Array = KEY): void {
  assert.throws(() => decodeCursor(cursor, filter, key), { code: 'cursor_invalid' }, cursor);
}

test('a cursor leads back to its position, however its filters are ordered', () => {
  assert.deepEqual(decodeCursor(CURSOR, FILTER, KEY), POSITION);
  const reordered: ImageFilter = {
    attr: { class: ['y', 'x'], level: ['1'] },
    sort: '-created_at',
    tag: ['b', 'a'],
    limit: 7,
    cursor: CURSOR,
  };
  assert.deepEqual(decodeCursor(CURSOR, reordered, KEY), POSITION);
});

test('a cursor is authenticated by 128 bits before its position', () => {
  const position = Buffer.from(CURSOR, 'base64url').subarray(128 / 8);
  assert.deepEqual(JSON.parse(position.toString()), [POSITION.key, POSITION.seq]);
  const macs = [1, 2].map((seq) => encodeCursor({ key: 'k', seq }, FILTER, KEY).slice(0, 21));
  assert.notEqual(macs[0], macs[1]);
});

test('a cursor is refused with any bit of it changed', () => {
  const bytes = Buffer.from(CURSOR, 'base64url');
  for (let index = 0; index < bytes.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const altered = Buffer.from(bytes);
      altered[index]! ^= 1 << bit;
      refused(altered.toString('base64url'));
    }
  }
});

test('a cursor is refused when its authentication is cut, repeated or of another cursor', () => {
  const bytes = Buffer.from(CURSOR, 'base64url');
  const other = Buffer.from(encodeCursor({ key: 'x', seq: 1 }, FILTER, KEY), 'base64url');
  for (let length = 0; length < 16; length++) {
    refused(Buffer.concat([bytes.subarray(0, length), bytes.subarray(16)]).toString('base64url'));
  }
  for (let length = 0; length < bytes.length; length++) {
    refused(bytes.subarray(0, length).toString('base64url'));
  }
  refused(Buffer.concat([bytes.subarray(0, 16), bytes]).toString('base64url'));
  refused(Buffer.concat([other.subarray(0, 16), bytes.subarray(16)]).toString('base64url'));
  refused(Buffer.concat([bytes, Buffer.from([0])]).toString('base64url'));
});

test('a cursor is refused in any spelling but its own', () => {
  // Both letters in which base64 and base64url differ are in it.
  const cursor = encodeCursor({ key: '>>>???~~~ÿÿÿ', seq: 63 }, FILTER, KEY);
  const plain = Buffer.from(cursor, 'base64url').toString('base64');
  assert.notEqual(plain.replace(/=+$/, ''), cursor);
  for (const spelling of [
    plain,
    `${cursor}=`,
    `${cursor}==`,
    `${cursor} `,
    ` ${cursor}`,
    `${cursor}\n`,
    `${cursor}é`,
    `${cursor}!`,
    `${cursor.slice(0, 5)}\t${cursor.slice(5)}`,
    `${cursor.slice(0, 5)}.${cursor.slice(5)}`,
    `${cursor}\0`,
    `${cursor}A`,
  ]) {
    refused(spelling);
  }
  // The bits that its last letter has beyond the last byte.
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const seq of [1, 12, 123]) {
    const own = encodeCursor({ key: 'k', seq }, FILTER, KEY);
    for (const letter of letters) {
      if (letter !== own.at(-1)) refused(own.slice(0, -1) + letter);
    }
  }
});

test('a cursor is refused with other filters, another sort and another key', () => {
  for (const filter of [
    {},
    { ...FILTER, q: 'x' },
    { ...FILTER, tag: ['a'] },
    { ...FILTER, sort: 'created_at' as const },
    { ...FILTER, deleted: true },
    { ...FILTER, attr: { level: ['1', 'x', 'y'], class: ['x'] } },
  ]) {
    refused(CURSOR, filter);
  }
  refused(CURSOR, FILTER, Buffer.alloc(32, 8));
});
