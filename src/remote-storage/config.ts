import { addressOf, type Setting } from '../settings.ts';

/** Where the Storage Service is, for those that ask it. */
export const remoteStorageSettings = {
  storageServiceUrl: {
    name: 'STORAGE_SERVICE_URL',
    default: '',
    required: true,
    describe:
      'address of the Storage Service for content and health: http://storage:8000, or https:',
    parse: addressOf('http:', 'https:'),
  } satisfies Setting<string> as Setting<string>,
};

/** What both sides of the content endpoint know. */
export const contentSettings = {
  storageServiceToken: {
    name: 'STORAGE_SERVICE_TOKEN',
    default: null,
    secret: true,
    describe: 'secret that guards the content endpoint; the same for both services',
    parse(text) {
      if (/^[\x21-\x7e]{8,512}$/.test(text)) return text;
      throw new Error('must be 8 to 512 visible ASCII characters');
    },
  } satisfies Setting<string | null> as Setting<string | null>,
};
