import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export type Answered = { status: number; headers: IncomingHttpHeaders; body: Buffer; ms: number };

type Asked = {
  method?: string;
  headers?: Record<string, string>;
  /** Sent one after the other, as they are. */
  body?: readonly Uint8Array[];
};

/** Connections that are kept open, as a client keeps them that asks often. */
export class HttpClient implements Disposable {
  readonly #agent: Agent;
  readonly #signal: AbortSignal;

  constructor(connections: number, signal: AbortSignal) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#signal = signal;
  }

  /** `ms` is from the request to the last byte of its answer. */
  ask(url: string, { method = 'GET', headers = {}, body = [] }: Asked = {}): Promise<Answered> {
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const all = body.length > 0 ? { ...headers, 'content-length': String(length) } : headers;
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const options = { method, headers: all, agent: this.#agent, signal: this.#signal };
      const sent = request(url, options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const ms = performance.now() - started;
          const { statusCode: status = 0, headers } = answer;
          resolve({ status, headers, body: Buffer.concat(chunks), ms });
        });
      });
      sent.on('error', reject);
      for (const bytes of body) sent.write(bytes);
      sent.end();
    });
  }

  /** Throws unless the answer has that status. */
  async require(status: number, url: string, asked: Asked = {}): Promise<Answered> {
    const answered = await this.ask(url, asked);
    if (answered.status === status) return answered;
    const body = answered.body.toString().slice(0, 300);
    throw new Error(
      `${asked.method ?? 'GET'} ${url}: ${answered.status} and not ${status}: ${body}`,
    );
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
