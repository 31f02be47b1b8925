import { addressOf, type Setting } from '../settings.ts';

const httpAddress = addressOf('http:', 'https:');

/** Where the Storage Service is, for those that ask it. */
export const remoteStorageSettings = {
  storageServiceUrl: {
    name: 'STORAGE_SERVICE_URL',
    default: '',
    required: true,
    // Of a value that is refused: somebody may have written a password into it.
    secret: true,
    describe:
      'address of the Storage Service for content and health: http://storage:8000, or https:',
    parse(text) {
      const { username, password } = new URL(httpAddress(text));
      if (!username && !password) return text;
      throw new Error(
        'must be without user and password, which are never sent; STORAGE_SERVICE_TOKEN guards the content endpoint',
      );
    },
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
