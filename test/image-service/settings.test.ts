import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageServiceSettings } from '../../src/image-service/config.ts';
import { readSettings, SettingsError } from '../../src/settings.ts';

test('without variables every setting has its default', () => {
  assert.deepEqual(readSettings(imageServiceSettings, { PORT: '', HOST: ' ' }), {
    host: '127.0.0.1',
    port: 8000,
    basePath: '',
    corsOrigins: [],
    trustProxy: false,
    deliveryCacheMb: 64,
    metadataCacheMb: 32,
    rateLimit: 0,
    uploadsMax: 24,
  });
});

test('texts become values', () => {
  const config = readSettings(imageServiceSettings, {
    PORT: '0',
    TRUST_PROXY: 'ON',
    CORS_ORIGINS: 'https://Example.org, http://localhost:5173',
  });
  assert.equal(config.port, 0);
  assert.equal(config.trustProxy, true);
  assert.deepEqual(config.corsOrigins, ['https://example.org', 'http://localhost:5173']);
});

test('all faults come in one message that names variable, value and remedy', () => {
  const env = { PORT: '99999', TRUST_PROXY: 'maybe', CORS_ORIGINS: 'example.org', HOST: 'a b' };
  assert.throws(
    () => readSettings(imageServiceSettings, env),
    (error: unknown) => {
      assert.ok(error instanceof SettingsError);
      assert.match(error.message, /PORT=99999: must be a whole number from 0 to 65535/);
      assert.match(error.message, /TRUST_PROXY=maybe: must be on or off/);
      assert.match(error.message, /CORS_ORIGINS=example\.org: must be a list of origins/);
      assert.match(error.message, /HOST=a b: must be an address/);
      return true;
    },
  );
});

test("a base path has no slash at its end, and none of the service's own paths", () => {
  const basePath = (BASE_PATH: string) =>
    readSettings(imageServiceSettings, { BASE_PATH }).basePath;
  assert.equal(basePath('/'), '');
  assert.equal(basePath('/art/'), '/art');
  assert.equal(basePath('/dnd/v1.2/api'), '/dnd/v1.2/api');
  for (const wrong of [
    'art',
    '//art',
    '/a b',
    '/../art',
    '/art?',
    '/api',
    '/docs/art',
    '/metrics',
  ]) {
    assert.throws(() => basePath(wrong), /must be a path such as \/art/, wrong);
  }
});
