import { before, describe } from 'node:test';
import type { Storage, StorageEvents } from '../../src/contract/storage.ts';
import { storageContent } from './storage/content.ts';
import { storageMetadata } from './storage/metadata.ts';

/** What every Storage does. `open` gives an empty one; the suite closes none. */
export function storageSuite(name: string, open: () => Promise<Storage & StorageEvents>): void {
  describe(`${name} as a Storage`, () => {
    let storage: Storage & StorageEvents;
    before(async () => {
      storage = await open();
    });
    storageContent(() => storage);
    storageMetadata(() => storage);
  });
}
