import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify, { LogController } from 'fastify';
import { ServiceError } from '../../src/contract/errors.ts';
import { createLog, type LogOptions, logSettings } from '../../src/telemetry/log.ts';

function recording(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({
    service: 'all-in-one',
    version: '1.2.3',
    level: 'INFO',
    destination,
    ...options,
  });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line)) };
}

test('every line is one JSON object with the agreed keys', () => {
  const { log, lines, records } = recording();
  log.child({ request_id: 'r-1' }).info({ image_id: 'i-1' }, 'line\nbreak');
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^[^\n]+\n$/);
  const [{ time, ...rest }] = records();
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(rest, {
    level: 'INFO',
    service: 'all-in-one',
    version: '1.2.3',
    request_id: 'r-1',
    image_id: 'i-1',
    message: 'line\nbreak',
  });
});

test('levels are written as text and what is below the level is left out', () => {
  const { log, records } = recording({ level: 'WARNING' });
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    log[level]('said');
  }
  const levels = records().map((record) => record.level);
  assert.deepEqual(levels, ['WARNING', 'ERROR', 'ERROR']);
});

test('LOG_LEVEL is taken in either case, and another word is refused', () => {
  const { logLevel } = logSettings;
  assert.equal(logLevel.parse('warning'), 'WARNING');
  assert.equal(logLevel.parse('Debug'), 'DEBUG');
  assert.throws(() => logLevel.parse('verbose'), /DEBUG, INFO, WARNING, ERROR/);
});

test('an error is logged with its code and the whole chain of causes', () => {
  const { log, records } = recording();
  const disk = Object.assign(new Error('disk on fire'), { code: 'EIO' });
  const error = new ServiceError('internal', 'It failed.', {
    cause: new Error('write failed', { cause: disk }),
    errors: [{ field: 'name', message: 'is odd' }],
  });
  log.error({ err: error }, 'request failed');
  const [{ err }] = records();
  assert.equal(err.type, 'ServiceError');
  assert.equal(err.code, 'internal');
  assert.match(err.stack, /log\.test\.ts/);
  assert.deepEqual(err.errors, [{ field: 'name', message: 'is odd' }]);
  assert.equal(err.cause.message, 'write failed');
  assert.equal(err.cause.cause.code, 'EIO');
});

test('an error that is its own cause is still one line', () => {
  const { log, lines } = recording();
  const error = new Error('round and round');
  error.cause = error;
  log.error(error);
  assert.equal(lines.length, 1);
});

test('credentials are never written', () => {
  const { log, lines } = recording();
  const headers = { authorization: 'Bearer s3cret', cookie: 'id=s3cret', 'set-cookie': 's3cret' };
  log.info({ req: { headers }, res: { headers }, headers }, 'seen');
  log.info(headers, 'seen');
  assert.doesNotMatch(lines.join(''), /s3cret/);
  assert.match(lines.join(''), /redacted/);
});

test('it serves Fastify, which binds its request id', async () => {
  const { log, records } = recording();
  const logController = new LogController({ requestIdLogLabel: 'request_id' });
  const server = Fastify({ loggerInstance: log, logController });
  server.get('/', (request) => {
    request.log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'oh');
    return {};
  });
  await server.inject('/');
  const record = records().find(({ message }) => message === 'oh');
  assert.ok(record.request_id);
  assert.equal(record.err.cause.message, 'inner');
});

test('the pretty form is one readable line that cannot steer the terminal, then the stacks', () => {
  const { log, lines } = recording({ pretty: true });
  log.info({ name: '\u001b[2Jgone' }, 'taken');
  log.error(new Error('outer', { cause: new Error('inner') }));
  const [line, failure] = lines;
  assert.match(line!, /INFO.*taken.*name=.*gone.*\n$/);
  assert.ok(!line!.includes('\u001b[2J'));
  assert.match(failure!, /Error: outer\n.*Error: inner\n/s);
});
