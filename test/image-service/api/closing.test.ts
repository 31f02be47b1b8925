import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { create } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

/** Asks again and again over one connection until an answer says that it ends; how it ended. */
async function askOn(port: number, path: string, answered: () => void): Promise<string> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (;;) {
      const asked = request({ port, path, agent }).end();
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      await once(answer.resume(), 'end');
      if (answer.headers.connection === 'close') return 'told';
      answered();
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!;
  } finally {
    agent.destroy();
  }
}

test('a service that stops tells those who keep asking, and loses no request of theirs', async () => {
  const service = await startService();
  const { content } = await create((path, init) => fetch(service.url + path, init));
  const paths = ['/api/v2/images', content.url];
  const asking = Promise.withResolvers<void>();
  let answers = 0;
  const answered = () => {
    answers += 1;
    if (answers === 200) asking.resolve();
  };
  const clients = Array.from({ length: 20 }, (_, client) =>
    askOn(service.port, paths[client % 2]!, answered),
  );
  await asking.promise;
  await service.close();
  assert.deepEqual(new Set(await Promise.all(clients)), new Set(['told']));
});
