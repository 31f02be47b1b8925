import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { Connection } from 'rabbitmq-client';

/**
 * rabbitmq-client believes the length of a frame. When something else than a broker answers, its first
 * bytes are taken for a length of a gigabyte, for which the socket throws where nobody can catch it. So
 * the head of each frame is checked before the rest is read, and the first byte of a connection before
 * all: what answered instead of a broker is named in the error. The library has no hook for either.
 * Reported of it and of others: cody-greene/node-rabbitmq-client, alanxz/rabbitmq-c#187,
 * php-amqplib/php-amqplib#338, amqp-node/amqplib#699.
 */

/** Fewer frames for pages of images; what the broker takes by default. */
export const FRAME_MAX_BYTES = 131_072;
/** What RabbitMQ accepts as one message at most, in its releases before 4.0. */
const MESSAGE_MAX_BYTES = 128 * 1024 * 1024;
/** Of what answered instead of a broker. */
const SHOWN_MAX_CHARACTERS = 60;

// AMQP 0-9-1, 2.3.5 and 4.2.2.
const HEAD_BYTES = 7;
const SIZE_AT = 3;
const METHOD_FRAME = 1;
const HEADER_FRAME = 2;
const PROTOCOL_HEADER = 'A'.charCodeAt(0);
const TLS_ALERT = 21;

type Read = (bytes: number) => Promise<Buffer>;
type Frame = { type: number; bodySize?: number };
type Codec = { decodeFrame(read: Read): Promise<Frame> };
type Internals = {
  _socket: Socket;
  _negotiate(read: Read): Promise<void>;
  _reset(error: Error): void;
  emit(event: string, error: Error): void;
};

const codec = createRequire(import.meta.url)('rabbitmq-client/lib/codec.js') as Codec;
const decode = codec.decodeFrame;

/** Every connection decodes its frames by this. */
codec.decodeFrame = async (read) => {
  let head = true;
  const frame = await decode(async (size) => {
    const bytes = await read(size);
    if (head) requireBounded(bytes);
    head = false;
    return bytes;
  });
  if (frame.type === HEADER_FRAME && frame.bodySize! > MESSAGE_MAX_BYTES) {
    throw new NotABrokerError(`a message of ${frame.bodySize} bytes`);
  }
  return frame;
};

/** What answers does not speak AMQP 0-9-1. */
export class NotABrokerError extends Error {
  override readonly name = 'NotABrokerError';
  readonly code = 'NOT_A_BROKER';

  constructor(answered: string) {
    super(`It does not speak AMQP 0-9-1: it answered ${answered}`);
  }
}

const connection = Connection.prototype as unknown as Internals;
const { _negotiate: negotiate, _reset: reset } = connection;

connection._negotiate = async function (read) {
  const first = await read(1);
  const rest = (this._socket.read() as Buffer | null) ?? Buffer.alloc(0);
  const bytes = Buffer.concat([first, rest]);
  if (bytes[0] !== METHOD_FRAME && bytes[0] !== PROTOCOL_HEADER) {
    throw new NotABrokerError(shown(bytes));
  }
  this._socket.unshift(bytes);
  return negotiate.call(this, read);
};

connection._reset = function (error) {
  reset.call(this, error);
  this.emit('lost', error);
};

/** Tells of each attempt that fails: the library's `error` tells of the first, and must be heard. */
export function onLost(connection: Connection, lost: (error: Error) => void): void {
  connection.on('error', () => {});
  (connection as EventEmitter).on('lost', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'CLOSING') lost(error);
  });
}

function requireBounded(head: Buffer): void {
  const size = head.length === HEAD_BYTES ? head.readUInt32BE(SIZE_AT) : 0;
  if (size > FRAME_MAX_BYTES) throw new NotABrokerError(`a frame of ${size} bytes`);
}

/** The first line, as far as it can be shown. */
function shown(bytes: Buffer): string {
  if (bytes[0] === TLS_ALERT) return 'with a TLS alert; for TLS the address begins with amqps:';
  const [line = ''] = bytes.toString('latin1').split(/[\r\n]/, 1);
  const text = line.slice(0, SHOWN_MAX_CHARACTERS).replaceAll(/[^\x20-\x7e]/g, '.');
  return /[A-Za-z]{2}/.test(text) ? text : `bytes ${bytes.toString('hex', 0, 8)}`;
}
