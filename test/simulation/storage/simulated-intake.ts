import { hash } from 'node:crypto';
import { toServiceError } from '../../../src/contract/errors.ts';
import type { ImageFacts } from '../../../src/media/inspector.ts';
import { abortable } from '../../../src/storage-service/abortable.ts';
import type { Intake, Staged } from '../../../src/storage-service/intake.ts';
import type { Process } from '../world/process.ts';
import type { Disk } from './disk.ts';

/** What stands before bytes whose beginning the intake removes, as it does with location data. */
export const LOCATED = Buffer.from('located:');

const FACTS: ImageFacts = {
  media_type: 'image/png',
  width: 1,
  height: 1,
  pages: 1,
  placeholder: 'AA==',
  palette: [],
};

/** The way in for bytes, without a decoder: any bytes are an image. */
export class SimulatedIntake implements Pick<Intake, 'take' | 'recover'> {
  readonly #process: Process;
  readonly #disk: Disk;
  readonly #passing = new Set<string>();
  #count = 0;

  constructor(process: Process, disk: Disk) {
    this.#process = process;
    this.#disk = disk;
  }

  async take<T>(
    bytes: AsyncIterable<Uint8Array>,
    turn: { signal: AbortSignal; deadline: number },
    use: (staged: Staged) => Promise<T>,
  ): Promise<T> {
    const { name: processName } = this.#process;
    const name = `${processName} ${++this.#count}`;
    this.#passing.add(name);
    let path = name;
    try {
      const source = Buffer.concat(await Array.fromAsync(abortable(bytes, turn.signal)));
      await this.#process.call('receive', () => this.#disk.incoming.set(name, source));
      const clean = cleaned(source);
      const sha256 = hash('sha256', clean, 'hex');
      path = `${name}.${sha256}`;
      await this.#process.call('rename', () => {
        this.#disk.incoming.delete(name);
        this.#disk.incoming.set(path, clean);
      });
      return await use({
        path,
        sha256,
        size_bytes: clean.length,
        source_sha256: hash('sha256', source, 'hex'),
        source_size_bytes: source.length,
        facts: FACTS,
      });
    } catch (error) {
      throw toServiceError(error);
    } finally {
      await this.#process.call('remove', () => this.#disk.incoming.delete(path));
      this.#passing.delete(name);
    }
  }

  async recover(settle: (sha256: string) => Promise<unknown>): Promise<string[]> {
    const paths = await this.#process.call('list', () => [...this.#disk.incoming.keys()]);
    for (const path of paths) {
      const [name, sha256] = path.split('.');
      if (this.#passing.has(name!)) continue;
      if (sha256) await settle(sha256);
      await this.#process.call('remove', () => this.#disk.incoming.delete(path));
    }
    return [];
  }
}

/** The bytes that are kept of those that were sent. */
export function cleaned(source: Buffer): Buffer {
  const located = source.subarray(0, LOCATED.length).equals(LOCATED);
  return located ? source.subarray(LOCATED.length) : source;
}
