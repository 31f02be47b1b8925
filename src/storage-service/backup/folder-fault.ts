import { ServiceError } from '../../contract/errors.ts';
import { catalogFault } from '../catalog/sqlite/connection.ts';
import { diskFault, isCatalogDamaged } from '../disk-fault.ts';

/** For people: what a failed copy into a folder means. Other errors pass unchanged. */
export function folderFault(folder: string, error: unknown): unknown {
  const fault = catalogFault(diskFault(error));
  if (isCatalogDamaged(fault)) return error;
  if (!(fault instanceof ServiceError)) return error;
  const cause = error as Error;
  if (fault.code === 'storage_full') {
    return new Error(
      `${folder}: the disk is full. Make room there and run the command again: it goes on where it ended.`,
      { cause },
    );
  }
  return new Error(`${folder}: the copy failed (${cause.message}).`, { cause });
}
