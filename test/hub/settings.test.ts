import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hubSettings } from '../../src/hub/config.ts';
import { remoteStorageSettings } from '../../src/remote-storage/config.ts';
import { readSettings, SettingsError } from '../../src/settings.ts';

const TABLE = { ...hubSettings, ...remoteStorageSettings };
const HUB = 'amqp://user:p%40ss@message_hub:5672/dnd%2Fimages';
const STORAGE = 'http://storage:8000/behind/a/path';

function faultOf(env: { MESSAGE_HUB_URL?: string; STORAGE_SERVICE_URL?: string }): string {
  try {
    readSettings(TABLE, { MESSAGE_HUB_URL: HUB, STORAGE_SERVICE_URL: STORAGE, ...env });
  } catch (error) {
    assert.ok(error instanceof SettingsError, `${error}`);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(env)} was taken`);
}

test('addresses that can be used are taken as they are', () => {
  const hubs = [HUB, 'amqp://host', 'amqp://host/', 'amqps://user@host/%2F?heartbeat=5'];
  for (const hub of hubs) {
    const env = { MESSAGE_HUB_URL: hub, STORAGE_SERVICE_URL: STORAGE };
    assert.deepEqual(readSettings(TABLE, env), { messageHubUrl: hub, storageServiceUrl: STORAGE });
  }
});

for (const hub of ['amqp://u:secret%zzpw@h', 'amqp://u%:secret@h', 'amqp://u:secret@h/%zz']) {
  test(`a percent sign that encodes nothing is a fault of MESSAGE_HUB_URL: ${hub}`, () => {
    const fault = faultOf({ MESSAGE_HUB_URL: hub, STORAGE_SERVICE_URL: 'storage' });
    assert.match(fault, /MESSAGE_HUB_URL=.*%25/);
    assert.match(fault, /STORAGE_SERVICE_URL=/, 'all faults come together');
  });
}

for (const hub of ['amqp://h/a/b', 'amqp://h/a/', 'amqp://h//a']) {
  test(`a slash in the virtual host must be encoded: ${hub}`, () => {
    assert.match(faultOf({ MESSAGE_HUB_URL: hub }), /MESSAGE_HUB_URL=.*virtual host.*%2F/);
  });
}

for (const address of ['http://me:secret@storage:8000', 'https://me@storage', 'http://:secret@s']) {
  test(`STORAGE_SERVICE_URL with a user or password is refused: ${address}`, () => {
    assert.match(faultOf({ STORAGE_SERVICE_URL: address }), /STORAGE_SERVICE_TOKEN/);
  });
}

test('no fault of an address shows a password', () => {
  const rests = ['me:secret@h', 'me:secret%zz@h', 'me:secret%40h', 'secret', 'me:secret@h/a/b'];
  const schemes = ['', '//', 'ftp://', 'http://', 'amqp://'];
  for (const address of schemes.flatMap((scheme) => rests.map((rest) => scheme + rest))) {
    for (const name of ['MESSAGE_HUB_URL', 'STORAGE_SERVICE_URL']) {
      try {
        readSettings(TABLE, {
          MESSAGE_HUB_URL: HUB,
          STORAGE_SERVICE_URL: STORAGE,
          [name]: address,
        });
      } catch (error) {
        assert.doesNotMatch((error as Error).message, /secret/);
      }
    }
  }
});
