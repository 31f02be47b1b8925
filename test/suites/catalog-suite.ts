import { before, describe } from 'node:test';
import type { Catalog } from '../../src/storage-service/catalog/catalog.ts';
import { catalogLanguages } from './catalog/languages.ts';
import { catalogLists } from './catalog/lists.ts';
import { catalogThemes } from './catalog/themes.ts';
import { catalogUpkeep } from './catalog/upkeep.ts';
import { catalogWrites } from './catalog/writes.ts';

/** What every Catalog does. `open` gives a new one. The suite closes none. */
export function catalogSuite(name: string, open: () => Promise<Catalog>): void {
  describe(`${name} as a Catalog`, () => {
    let catalog: Catalog;
    before(async () => {
      catalog = await open();
    });
    catalogWrites(() => catalog);
    catalogLists(() => catalog);
    catalogLanguages(() => catalog);
    catalogThemes(() => catalog);
    catalogUpkeep(() => catalog);
  });
}
