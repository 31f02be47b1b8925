import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type TObject, Type } from 'typebox';
import { ERROR_CODES } from '../../src/contract/errors.ts';
import { ImageFields, ImageFilter } from '../../src/contract/image.ts';
import {
  CONTENT_MAX_BYTES,
  MESSAGE_CONTENT_MAX_BYTES,
  PREFETCH_MAX_REQUESTS,
} from '../../src/contract/limits.ts';
import {
  EVENT_TYPES,
  EVENTS,
  type EventType,
  OPERATIONS,
  type OperationName,
} from '../../src/contract/messages.ts';
import { ThemeFields } from '../../src/contract/theme.ts';
import { asyncapiDocument } from '../../src/image-service/routes/asyncapi.ts';
import { png } from '../services/api.ts';
import { hasJoined, messageCheck } from '../services/hub-messages.ts';
import type { Broker } from '../services/rabbitmq.ts';
import { startStorage } from '../services/two-services.ts';
import { withBroker } from '../services/with-broker.ts';

const PAGE = await readFile(new URL('../../docs/message-hub.md', import.meta.url), 'utf8');
const CLIENT = fileURLToPath(new URL('../../docs/examples/storage_client.py', import.meta.url));
const PYTHON_TEST = fileURLToPath(new URL('python/use_client.py', import.meta.url));
const PYTHON_MAX_MS = 120_000;
const run = promisify(execFile);

/** The rows of the table under a heading. */
function rows(heading: string): string[][] {
  const section = PAGE.split(/^##+ /m).find((part) => part.startsWith(`${heading}\n`))!;
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  const cells = lines.map((line) => line.split('|').slice(1, -1));
  return cells.slice(2).map((row) => row.map((cell) => cell.trim()));
}

function names(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

/** As the page writes them: those that may be absent with a `?`. */
function fieldsOf({ properties }: TObject): string[] {
  return Object.entries(properties).map(([name, field]) =>
    Type.IsOptional(field) ? `${name}?` : name,
  );
}

describe('the page', () => {
  test('names every operation with its data', () => {
    const shared: Record<string, TObject> = {
      'the fields of an image': ImageFields,
      'the fields of a theme': ThemeFields,
      filters: ImageFilter,
    };
    const told = rows('Operations').map(([operation, data]) => {
      const meant = Object.entries(shared).filter(([words]) => data!.includes(words));
      const fields = meant.flatMap(([, schema]) => fieldsOf(schema));
      return [names(operation!)[0], [...names(data!), ...fields].sort()];
    });
    const real = Object.entries(OPERATIONS).map(([operation, { data }]) => {
      return [operation, fieldsOf(data).sort()];
    });
    assert.deepEqual(told, real);
  });

  test('tells the answer of every operation', () => {
    const told = rows('Operations').map(([, , answer]) => answer!);
    const real = Object.values(OPERATIONS).map(({ answer }) => {
      const named: Record<string, string> = {
        Image: 'image',
        Theme: 'theme',
        FoundContent: 'content',
      };
      const { $id = '', properties } = answer as TObject & { $id?: string };
      const fields = Object.entries(properties)
        .map(([field, schema]) => (Type.IsOptional(schema) ? `${field}?` : field))
        .join(', ');
      return named[$id] ?? (fields ? `\`{ ${fields} }\`` : '`{}`');
    });
    assert.deepEqual(told, real);
  });

  test('names every field of images, filters, themes and events', () => {
    const told = (heading: string) =>
      rows(heading)
        .flatMap(([field]) => names(field!))
        .sort();
    assert.deepEqual(told('Fields of an image'), fieldsOf(ImageFields).sort());
    assert.deepEqual(told('Filters of list_images'), fieldsOf(ImageFilter).sort());
    assert.deepEqual(told('Fields of a theme'), ['name', ...fieldsOf(ThemeFields)].sort());
    assert.deepEqual(told('Events'), fieldsOf(EVENTS['image.updated']).sort());
  });

  test('names every error code', () => {
    const told = rows('Errors').flatMap(([code]) => names(code!));
    assert.deepEqual(told, [...ERROR_CODES]);
    for (const [code, , again] of rows('Errors')) {
      assert.match(again!, /^(no|yes|resend|read)$/, `${code}`);
    }
  });

  test('names every type of message, and the limits that a client meets', () => {
    const types = PAGE.split('## A message')[1]!.split('\n\n')[1]!;
    const told = names(types).filter((name) => EVENT_TYPES.includes(name as EventType));
    assert.deepEqual(told, EVENT_TYPES);
    const limits = [MESSAGE_CONTENT_MAX_BYTES, CONTENT_MAX_BYTES].map((bytes) => `${bytes} bytes`);
    for (const limit of [...limits, `Up to ${PREFETCH_MAX_REQUESTS} requests`]) {
      assert.ok(PAGE.includes(limit), limit);
    }
  });

  test('shows messages that are as the schemas say', () => {
    const check = messageCheck(asyncapiDocument('1'));
    const blocks = [...PAGE.matchAll(/^```json\n(.*?)^```/gms)].map(([, text]) =>
      JSON.parse(text!),
    );
    const [request, success, failure, ...events] = blocks;
    assert.equal(blocks.length, 5);
    const operation = request.data.operation as OperationName;
    check.body(operation, request);
    check.body(`${operation}.success`, success);
    assert.equal(success.data.operation_id, request.data.operation_id);
    check.body('failure', failure);
    for (const event of events) check.body(event.metadata.event_type, event);
  });
});

const python = await pythonForTests();
if ('skip' in python) test('a client in Python', { skip: python.skip }, () => {});
else {
  await withBroker((broker) =>
    describe('the client in Python', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'python-client-'));
      after(() => rm(folder, { recursive: true, force: true }));
      const [SMALL, LARGE] = [join(folder, 'small.png'), join(folder, 'large.png')];
      await writeFile(SMALL, await png());
      const large = await png(1_330, 1_330);
      assert.ok(large.length > 5_000_000);
      await writeFile(LARGE, large);
      const hub = {
        MESSAGE_HUB_URL: await broker.vhost(),
        STORAGE_SERVICE_TOKEN: 'a-secret-of-some-length',
      };
      const storage = await startStorage(hub);
      after(() => storage[Symbol.asyncDispose]());
      await hasJoined(storage);
      const env = {
        ...process.env,
        ...hub,
        STORAGE_SERVICE_URL: storage.url,
        SMALL,
        LARGE,
      };
      const use = (scenario: string) => async () => {
        await run(python.command, [PYTHON_TEST, scenario], { env, timeout: PYTHON_MAX_MS });
      };

      test('keeps images small and large, and hears what becomes of them', use('images'));
      test('is told clearly what is wrong with a request', use('refusals'));
      test('meets no request that blocks the others, however malformed', use('malformed'));
      test('loses and doubles nothing when its connection breaks', use('interrupted'));
      test('needs no permission that the page does not name', async () => {
        const url = new URL(hub.MESSAGE_HUB_URL);
        const granted = await clientOfThePage(broker, url.pathname.slice(1), 'example_service');
        after(granted.remove);
        Object.assign(url, { username: granted.name, password: granted.password });
        const asClient = { ...env, MESSAGE_HUB_URL: url.href };
        const options = { env: asClient, timeout: PYTHON_MAX_MS };
        await run(python.command, [PYTHON_TEST, 'images'], options);
        await assert.rejects(
          run(python.command, [PYTHON_TEST, 'overhears'], options),
          /ACCESS_REFUSED/,
        );
      });
      test('shows what it does as a program', async () => {
        const { stdout } = await run(python.command, [CLIENT, SMALL], {
          env,
          timeout: PYTHON_MAX_MS,
        });
        assert.match(stdout, /image\.created/);
        assert.match(stdout, /"name": "Elven ranger"/);
      });
    }),
  );
}

/** A user of the broker with what the page's two lines of rabbitmqctl grant. */
async function clientOfThePage(broker: Broker, vhost: string, appId: string) {
  const { origin, username, password } = new URL(broker.managementUrl);
  const authorization = `Basic ${btoa(`${username}:${password}`)}`;
  const manage = async (method: string, path: string, body?: object) => {
    const headers = { authorization, 'content-type': 'application/json' };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const answer = await fetch(`${origin}/api/${path}`, init);
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  };
  const patternsOf = (command: string) => {
    const line = PAGE.match(new RegExp(`^rabbitmqctl ${command} .*$`, 'm'))![0];
    return [...line.matchAll(/'([^']+)'/g)].map(([, text]) => text!.replaceAll('NAME', appId));
  };
  const user = { name: `client-${randomUUID()}`, password: randomUUID() };
  await manage('PUT', `users/${user.name}`, { password: user.password, tags: '' });
  const [configure, write, read] = patternsOf('set_permissions');
  await manage('PUT', `permissions/${vhost}/${user.name}`, { configure, write, read });
  const [publish, receive] = patternsOf('set_topic_permissions');
  const topics = { exchange: 'dnd_events', write: publish, read: receive };
  await manage('PUT', `topic-permissions/${vhost}/${user.name}`, topics);
  return { ...user, remove: () => manage('DELETE', `users/${user.name}`) };
}

/** A Python that has aio-pika; Debian's package is for the system's, which need not come first. */
async function pythonForTests(): Promise<{ command: string } | { skip: string }> {
  for (const command of ['python3', '/usr/bin/python3']) {
    try {
      await run(command, ['-c', 'import aio_pika']);
      return { command };
    } catch {}
  }
  const skip = "No Python with aio-pika: install Debian's python3-aio-pika";
  if (process.env.CI === 'true') throw new Error(skip);
  return { skip };
}
