import assert from 'node:assert/strict';
import { test } from 'node:test';
import { form, png, REQUIRED } from '../../services/api.ts';
import { startService } from '../../services/service.ts';

test('every request leaves one line with its id, deliveries at DEBUG', async (t) => {
  const service = await startService({}, 'DEBUG');
  t.after(() => service.close());
  const headers = (id: string) => ({ headers: { 'x-request-id': id } });
  const body = form(...REQUIRED, ['image', await png()]);
  const created = await fetch(`${service.url}/api/v2/images`, {
    method: 'POST',
    body,
    ...headers('create-1'),
  });
  const { content } = (await created.json()) as { content: { url: string } };
  for (const id of ['read-1', 'kept-1']) {
    await (await fetch(service.url + content.url, headers(id))).arrayBuffer();
  }
  await (await fetch(`${service.url}${content.url}&width=3`, headers('wrong-1'))).text();
  const lines = service.log.filter(({ message }) => message === 'request answered');
  const told = lines.map((line) =>
    `${line.request_id} ${line.level} ${line.status} ${line.code ?? ''}`.trim(),
  );
  const deliveries = ['read-1 DEBUG 200', 'kept-1 DEBUG 200'];
  assert.deepEqual(told, ['create-1 INFO 201', ...deliveries, 'wrong-1 INFO 400 invalid_request']);
});
