import { flushCompileCache } from 'node:module';
import sharp from 'sharp';
import { FORMAT_TABLE } from '../formats.ts';
import { faultOf } from './faults.ts';
import { readHeader } from './header.ts';
import type { Answer, Ask, Message } from './protocol.ts';
import { lookAt } from './thumbnail.ts';

/**
 * The decoder process: all that is parsed or decoded of an upload happens here, so a fault of a
 * codec costs this process and no other. It holds no state, and lives only as long as its parent.
 */

// Jobs run beside each other; one job shall take one core and leave nothing behind.
sharp.concurrency(1);
sharp.cache(false);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(FORMAT_TABLE).map(({ vips }) => vips.loader) });

async function answer(ask: Ask): Promise<Answer> {
  const { id } = ask;
  try {
    return { id, value: ask.step === 'header' ? await readHeader(ask) : await lookAt(ask) };
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { id, error: faultOf(error).toData(), reason };
  }
}

process.on('message', async (ask: Ask) => {
  const reply = await answer(ask);
  // A parent that dies meanwhile needs no answer, and this process no stack on its way out.
  if (process.connected) process.send?.(reply, undefined, undefined, () => {});
});
// At once: a usual exit would wait for the decodes that run.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// A terminal or a supervisor signals the whole group; the parent says when this process may go.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.send?.({ ready: true } satisfies Message, undefined, undefined, () => {});
// Node writes the cache when a process exits, and this one is always killed: without its cache the
// start takes twice as long, and the compiler of TypeScript stays in memory (20 MB).
flushCompileCache();
