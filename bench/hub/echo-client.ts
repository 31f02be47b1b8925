import { randomUUID } from 'node:crypto';
import { type Channel, Connection } from 'rabbitmq-client';
import { EXCHANGE, REQUEST } from '../../src/contract/messages.ts';
import { declareReplies } from '../../src/hub/amqp/topology.ts';

const CONNECT_MAX_MS = 10_000;
/** About the metadata of an image. */
const BODY = Buffer.alloc(1_000, 'x');

/** Asks bench/floors/echo-rpc.ts, one question at a time: persistent, confirmed, by a reply queue. */
export class EchoClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #replyTo = `bench.${randomUUID()}`;
  #waiting: { id: string; resolve(): void } | undefined;

  private constructor(connection: Connection, channel: Channel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  static async connect(url: string): Promise<EchoClient> {
    const connection = new Connection({ url, acquireTimeout: CONNECT_MAX_MS });
    connection.on('error', () => {});
    const channel = await connection.acquire();
    await channel.confirmSelect();
    const client = new EchoClient(connection, channel);
    await client.#listen();
    return client;
  }

  async ask(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const messageId = randomUUID();
    this.#waiting = { id: messageId, resolve };
    const to = { exchange: EXCHANGE, routingKey: REQUEST, mandatory: true, durable: true };
    const envelope = { ...to, messageId, replyTo: this.#replyTo };
    await Promise.all([this.#channel.basicPublish(envelope, BODY), promise]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close();
    await this.#connection.close();
  }

  async #listen(): Promise<void> {
    const queue = this.#replyTo;
    await declareReplies(this.#channel, queue);
    await this.#channel.basicConsume({ queue, noAck: true }, ({ messageId }) => {
      if (messageId === this.#waiting?.id) this.#waiting?.resolve();
    });
  }
}
