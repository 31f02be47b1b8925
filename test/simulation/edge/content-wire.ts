import { ServiceError, toServiceError } from '../../../src/contract/errors.ts';
import { READ_DEADLINE_MS } from '../../../src/contract/limits.ts';
import type { ByteRange, Call, Content, WriteCall } from '../../../src/contract/storage.ts';
import type { ContentClient, Put } from '../../../src/remote-storage/content-client.ts';
import type { StorageService } from '../storage/storage-service.ts';
import type { Process } from '../world/process.ts';

/** An upload at its slowest, and the time to keep it: the content endpoint's own. */
const UPLOAD_MAX_MS = 140_000;

type Exchange<T> = {
  call: Call;
  maxMs: number;
  body?: AsyncIterable<Uint8Array>;
  ask(service: StorageService, call: Call, body: AsyncIterable<Uint8Array>): Promise<T>;
};

/** The content endpoint and its client, with a connection between them that may break. */
export class ContentWire implements Pick<ContentClient, 'put' | 'discard' | 'get'> {
  readonly #process: Process;
  readonly #service: () => StorageService;

  constructor(process: Process, service: () => StorageService) {
    this.#process = process;
    this.#service = service;
  }

  put(bytes: AsyncIterable<Uint8Array>, sha256: string | undefined, call: WriteCall): Promise<Put> {
    const sent = { filename: null, ...(sha256 !== undefined && { sha256 }) };
    return this.#exchange({
      call,
      maxMs: UPLOAD_MAX_MS,
      body: bytes,
      ask: async ({ store }, served, body) => {
        const { operationId } = call;
        const accepted = await store.acceptContent(body, sent, { ...served, operationId });
        const { claim, width, height, repeated } = accepted;
        return {
          sha256: claim.sha256,
          size_bytes: claim.size_bytes,
          media_type: claim.media_type!,
          width,
          height,
          repeated,
        };
      },
    });
  }

  discard(call: WriteCall): Promise<void> {
    return this.#exchange({
      call,
      maxMs: READ_DEADLINE_MS,
      ask: ({ store }, served) =>
        store.discardContent({ ...served, operationId: call.operationId }),
    });
  }

  get(sha256: string, range: ByteRange | null, call: Call): Promise<Content> {
    return this.#exchange({
      call,
      maxMs: READ_DEADLINE_MS,
      ask: ({ store }, served) => store.getContent(sha256, range, served),
    });
  }

  async #exchange<T>({ call, maxMs, body, ask }: Exchange<T>): Promise<T> {
    const { world } = this.#process;
    call.signal.throwIfAborted();
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    const left = new AbortController();
    const breakOff = (reason: unknown) => {
      left.abort(new ServiceError('request_timeout', 'The sender has gone.'));
      broken.reject(reason);
    };
    this.#process.death.then(() => breakOff(away()));
    const leave = () => breakOff(call.signal.reason);
    call.signal.addEventListener('abort', leave, { once: true });
    const timer = setTimeout(() => breakOff(late()), Math.max(0, call.deadline - Date.now()));
    const onItsWay = () =>
      Promise.race([this.#process.sleep(world.delay(world.profile.messageMs)), broken.promise]);
    try {
      await onItsWay();
      const service = this.#service();
      if (!service.listening || service.process.dead) throw away();
      service.process.death.then(() => breakOff(away()));
      const served = {
        requestId: call.requestId,
        deadline: Date.now() + maxMs,
        signal: AbortSignal.any([left.signal, AbortSignal.timeout(maxMs)]),
      };
      const answer = ask(service, served, this.#carried(body, breakOff)).then(
        (value) => ({ value }),
        // As a problem document carries it.
        (error) => ({ error: ServiceError.fromData(toServiceError(error).toData()) }),
      );
      const answered = await Promise.race([answer, broken.promise]);
      await onItsWay();
      if (world.goesWrong(world.profile.cutOneIn)) throw away();
      if ('error' in answered) throw answered.error;
      return answered.value;
    } finally {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', leave);
    }
  }

  async *#carried(
    body: AsyncIterable<Uint8Array> | undefined,
    breakOff: (reason: unknown) => void,
  ) {
    const { world } = this.#process;
    for await (const chunk of body ?? []) {
      await this.#process.sleep(world.delay(world.profile.messageMs));
      if (world.goesWrong(world.profile.cutOneIn)) breakOff(away());
      yield chunk;
    }
  }
}

function away(): ServiceError {
  return new ServiceError('storage_unavailable', 'The storage service is away; try again shortly.');
}

function late(): ServiceError {
  return new ServiceError('deadline_exceeded', 'The storage did not answer in time. Try again.');
}
