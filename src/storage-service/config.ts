import { type Setting, type Settings, wholeNumber } from '../settings.ts';

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
};

export type StorageServiceConfig = Settings<typeof storageServiceSettings>;
