import { hostName, type Setting, type Settings, wholeNumber } from '../settings.ts';

/** The settings of the state. */
export const storageServiceSettings = {
  dataDir: {
    name: 'DATA_DIR',
    default: './data',
    describe: 'folder that keeps the images and the catalog; one service at a time has it',
    parse: (text) => text,
  } satisfies Setting<string>,
  retentionDays: {
    name: 'RETENTION_DAYS',
    default: 30,
    describe: 'days that a deleted image can be restored; then it is gone for good',
    parse: wholeNumber(0, 36_500),
  } satisfies Setting<number>,
  sweepSeconds: {
    name: 'SWEEP_SECONDS',
    default: 60,
    describe: 'seconds between two rounds that remove what nothing refers to any more',
    parse: wholeNumber(1, 86_400),
  } satisfies Setting<number>,
  scrubDays: {
    name: 'SCRUB_DAYS',
    default: 30,
    describe:
      'days in which every stored file is read once and compared with its hash; 0 for never',
    parse: wholeNumber(0, 3_650),
  } satisfies Setting<number>,
};

/** Where the Storage Service listens, when it is a process of its own. */
export const listenSettings = {
  host: {
    name: 'HOST',
    default: '127.0.0.1',
    describe: 'address to listen on; 0.0.0.0 for every network',
    parse: hostName,
  } satisfies Setting<string>,
  port: {
    name: 'PORT',
    default: 8001,
    describe: 'port of the content endpoint and the health; 0 for any free one',
    parse: wholeNumber(0, 65_535),
  } satisfies Setting<number>,
};

export type StorageServiceConfig = Settings<typeof storageServiceSettings>;
