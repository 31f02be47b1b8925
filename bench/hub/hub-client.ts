import { randomUUID } from 'node:crypto';
import type { Call, WriteCall } from '../../src/contract/storage.ts';
import { AmqpHub } from '../../src/hub/amqp/amqp-hub.ts';
import { ContentClient } from '../../src/remote-storage/content-client.ts';
import { RemoteStorage } from '../../src/remote-storage/remote-storage.ts';
import { Requester } from '../../src/remote-storage/requester.ts';
import type { TwoServices } from './two-services.ts';

const NAME = 'bench';
const CONNECT_MAX_MS = 10_000;
const CALL_MAX_MS = 10_000;

/** Asks a Storage Service from this process as the Image Service does, without HTTP before it. */
export class HubClient implements AsyncDisposable {
  readonly #storage: RemoteStorage;
  readonly #close: () => Promise<void>;

  private constructor(storage: RemoteStorage, close: () => Promise<void>) {
    this.#storage = storage;
    this.#close = close;
  }

  static async connect(
    url: string,
    { storageUrl }: TwoServices,
    signal: AbortSignal,
  ): Promise<HubClient> {
    await using closing = new AsyncDisposableStack();
    const log = { info() {}, warn() {} };
    const hub = new AmqpHub({ url, appId: NAME, log });
    closing.defer(() => hub.close());
    const contents = new ContentClient(storageUrl, null);
    closing.defer(() => contents.close());
    const requester = new Requester(hub, NAME, () => {});
    closing.defer(() => requester.close());
    await hub.connect(AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MAX_MS)]));
    const opened = closing.move();
    return new HubClient(new RemoteStorage(requester, contents), () => opened.disposeAsync());
  }

  async getImage(id: string): Promise<void> {
    await this.#storage.getImage(id, call());
  }

  async updateImage(id: string, name: string): Promise<void> {
    await this.#storage.updateImage({ image_id: id, patch: { name } }, writeCall());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function call(): Call {
  return {
    requestId: randomUUID(),
    deadline: Date.now() + CALL_MAX_MS,
    signal: AbortSignal.timeout(CALL_MAX_MS),
  };
}

function writeCall(): WriteCall {
  return { ...call(), operationId: randomUUID() };
}
