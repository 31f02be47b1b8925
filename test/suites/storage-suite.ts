import { before, describe } from 'node:test';
import type { ImageEvents, Storage } from '../../src/contract/storage.ts';
import { storageContent } from './storage/content.ts';
import { storageMetadata } from './storage/metadata.ts';

/** What every Storage does. `open` gives an empty one; the suite closes none. */
export function storageSuite(name: string, open: () => Promise<Storage & ImageEvents>): void {
  describe(`${name} as a Storage`, () => {
    let storage: Storage & ImageEvents;
    before(async () => {
      storage = await open();
    });
    storageContent(() => storage);
    storageMetadata(() => storage);
  });
}
